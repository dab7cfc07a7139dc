package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/status"
)

func newStatus(p *paths) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show virtual services and real servers as the kernel has them",
		Long: `Show every virtual service with its real servers, weights, connections and rates.
A running director adds what it knows; where none runs, the kernel is read
directly, which needs root.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(p.env.Out, s)
			}
			return printStatus(p.env.Out, s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// status asks the running director, or the kernel where none runs. A
// configuration that cannot be read hides neither: it only takes the names away.
func (p *paths) status(ctx context.Context) (status.Status, error) {
	c, errConfig := daemon.Validate(ctx, p.config)
	socket := p.socket
	if socket == "" && errConfig == nil {
		socket = daemon.Socket(c)
	}
	if socket != "" {
		s, err := control.Dial(socket).Status(ctx)
		if !errors.Is(err, control.ErrNotRunning) || p.socket != "" {
			return s, err
		}
	}
	if errConfig != nil {
		c = &config.Config{}
	}
	s, err := daemon.Status(ctx, c, p.env.Version)
	if err == nil && errConfig != nil {
		s.Warnings = append(s.Warnings, "the configuration is not readable, so services have no names: "+errConfig.Error())
	}
	return s, err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func printStatus(w io.Writer, s status.Status) error {
	var b strings.Builder
	printHead(&b, s)
	printServices(&b, s.Services)
	for _, v := range s.VIPs {
		presence := "present"
		if !v.Present {
			presence = "MISSING"
		}
		fmt.Fprintf(&b, "vip %s on %s: %s\n", v.Address, v.Interface, presence)
	}
	printVRRP(&b, s.Time, s.VRRP)
	for _, text := range s.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printHead(b *strings.Builder, s status.Status) {
	name := s.Director
	if name == "" {
		name = "(no configuration)"
	}
	if s.Daemon == nil {
		fmt.Fprintf(b, "director %s: no daemon runs, this is the kernel's table\n\n", name)
		return
	}
	d := s.Daemon
	fmt.Fprintf(b, "director %s: running for %s, pid %d, configuration of %s\n",
		name, since(s.Time, d.Started), d.PID, d.Loaded.Format(time.DateTime))
	state := "as configured"
	if !d.InStep {
		state = "NOT as configured"
	}
	fmt.Fprintf(b, "kernel: %s, checked %s ago, %s repaired", state, since(s.Time, d.Checked), count(d.Drift.Repaired, "drift"))
	if d.Drift.Repaired > 0 {
		fmt.Fprintf(b, ", last %s ago: %s", since(s.Time, d.Drift.Last), d.Drift.Op)
	}
	b.WriteString("\n")
	if d.Reload != "" {
		fmt.Fprintf(b, "LAST RELOAD REFUSED, the configuration before it is in force:\n%s\n", indent(d.Reload))
	}
	for _, text := range d.Errors {
		fmt.Fprintf(b, "error: %s\n", text)
	}
	b.WriteString("\n")
}

func since(now, then time.Time) time.Duration { return now.Sub(then).Round(time.Second) }

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

func printServices(b *strings.Builder, services []status.Service) {
	if len(services) == 0 {
		b.WriteString("no virtual services\n")
		return
	}
	t := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SERVICE / SERVER\tADDRESS\tMETHOD\tWEIGHT\tACTIVE\tINACTIVE\tCONN/S\tIN/S\tOUT/S\t")
	for _, s := range services {
		fmt.Fprintf(t, "%s\t%s\t%s\t\t%d\t%d\t%d\t%s\t%s\t%s\n",
			orElse(s.Virtual, "(not lvsd's)"), s.Service, method(s), s.Active, s.Inactive,
			s.Rates.Connections, bytes(s.Rates.BytesIn), bytes(s.Rates.BytesOut), note(!s.Present, "MISSING"))
		for _, r := range s.Servers {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n",
				orElse(r.Name, "-"), r.Address, orElse(r.Tunnel, r.Forwarding), weight(r), r.Active, r.Inactive,
				r.Rates.Connections, bytes(r.Rates.BytesIn), bytes(r.Rates.BytesOut), serverNote(s, r))
		}
	}
	t.Flush()
	b.WriteString("\n")
}

// method is the scheduler with what changes its choice.
func method(s status.Service) string {
	words := append([]string{s.Scheduler}, s.Flags...)
	if s.Persistence > 0 {
		words = append(words, fmt.Sprintf("persistent %s", time.Duration(s.Persistence)*time.Second))
	}
	return strings.Join(words, " ")
}

// weight shows both where the one in force is not the configured one.
func weight(r status.Server) string {
	if r.Name == "" || r.Weight == r.Configured {
		return fmt.Sprint(r.Weight)
	}
	return fmt.Sprintf("%d (of %d)", r.Weight, r.Configured)
}

func serverNote(s status.Service, r status.Server) string {
	switch {
	case !r.Present:
		return "MISSING"
	case r.Fallback:
		return "fallback"
	case r.Name == "" && s.Virtual != "":
		return "not configured"
	}
	return ""
}

func note(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// bytes writes a number of bytes with three digits at most and a decimal unit.
func bytes(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	value, unit := float64(n), 0
	for value >= 999.5 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	if unit == 0 || value >= 99.5 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
