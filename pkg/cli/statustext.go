package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// printStatus writes a status for a person: first whether all is well, then the
// table, then what to look after.
func printStatus(w io.Writer, s status.Status) error {
	var b strings.Builder
	printHead(&b, s)
	printServices(&b, s)
	if n := len(s.Helpers); n > 0 {
		fmt.Fprintf(&b, "%s for checks through the VIP\n", count(n, "helper service"))
	}
	for _, v := range s.VIPs {
		presence := "present"
		if !v.Present {
			presence = "MISSING"
		}
		fmt.Fprintf(&b, "vip %s on %s: %s\n", v.Address, v.Interface, presence)
	}
	printVRRP(&b, s.Time, s.VRRP)
	printSync(&b, s.Time, s.Sync)
	printSyncDaemons(&b, s)
	printGuardLines(&b, s.Guard)
	printOverrides(&b, s)
	for _, text := range s.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", indent(text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printHead(b *strings.Builder, s status.Status) {
	printVerdict(b, status.Judge(s))
	name := orElse(s.Director, "(no configuration)")
	if s.Daemon == nil {
		fmt.Fprintf(b, "director %s: NO DAEMON RUNS, this is the kernel's table\n\n", name)
		return
	}
	d := s.Daemon
	fmt.Fprintf(b, "director %s: running for %s, pid %d, configuration of %s\n",
		name, since(s.Time, d.Started), d.PID, d.Loaded.Format(time.DateTime))
	fmt.Fprintf(b, "kernel: %s, %s repaired", agreement(s), count(d.Drift.Repaired, "drift"))
	if d.Drift.Repaired > 0 {
		fmt.Fprintf(b, ", last %s ago: %s", since(s.Time, d.Drift.Last), d.Drift.Op)
	}
	b.WriteString("\n")
	if d.Reload != "" {
		fmt.Fprintf(b, "LAST RELOAD REFUSED, the configuration before it is in force:\n  %s\n", indent(d.Reload))
	}
	for _, text := range d.Errors {
		fmt.Fprintf(b, "error: %s\n", indent(text))
	}
	b.WriteString("\n")
}

// printVerdict writes the one line that answers "is it well?", and below it why not.
func printVerdict(b *strings.Builder, v status.Verdict) {
	fmt.Fprintf(b, "%s: %s\n", strings.ToUpper(v.Level), v.Summary)
	for _, reason := range v.Reasons {
		fmt.Fprintf(b, "  - %s\n", reason)
	}
}

// agreement says whether the kernel is as configured, and when that was seen.
func agreement(s status.Status) string {
	switch d := s.Daemon; {
	case d.Checked.IsZero():
		return "not compared yet"
	case !d.InStep:
		return fmt.Sprintf("NOT as configured, checked %s ago", since(s.Time, d.Checked))
	default:
		return fmt.Sprintf("as configured, checked %s ago", since(s.Time, d.Checked))
	}
}

func since(now, then time.Time) time.Duration { return now.Sub(then).Round(time.Second) }

// indent puts the lines of a text after its first one below it.
func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n  ") }

func printServices(b *strings.Builder, s status.Status) {
	if len(s.Services) == 0 {
		b.WriteString("no virtual services\n\n")
		return
	}
	stranger := "(not lvsd's)"
	if s.Director == "" {
		stranger = "-" // without a configuration nobody knows whose it is
	}
	t := table{{"SERVICE / SERVER", "ADDRESS", "METHOD", "WEIGHT", "ACTIVE", "INACTIVE", "CONN/S", "IN/S", "OUT/S"}}
	for _, v := range s.Services {
		t = append(t, row([]string{orElse(v.Virtual, stranger), v.Service.String(), method(v), ""},
			v.Active, v.Inactive, v.Rates, serviceNotes(v)))
		for _, r := range v.Servers {
			t = append(t, row([]string{"  " + orElse(r.Name, "-"), r.Address.String(), orElse(r.Tunnel, r.Forwarding), weight(r)},
				uint64(r.Active), uint64(r.Inactive), r.Rates, serverNote(s.Time, v, r)))
		}
	}
	t.print(b, 3)
	b.WriteString("\n")
}

// row is what the rows of services and servers have in common.
func row(head []string, active, inactive uint64, rates status.Traffic, note string) []string {
	return append(head, fmt.Sprint(active), fmt.Sprint(inactive), fmt.Sprint(rates.Connections),
		size(rates.BytesIn), size(rates.BytesOut), note)
}

// method is the scheduler with what changes its choice.
func method(s status.Service) string {
	words := append([]string{s.Scheduler}, s.Flags...)
	if s.Persistence > 0 {
		words = append(words, "persistent "+lvs.Seconds(time.Duration(s.Persistence)*time.Second))
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

// serverNote says what is to be known of a server: first the operator's word, by which
// it may be absent or without weight though it is well.
func serverNote(now time.Time, s status.Service, r status.Server) string {
	if r.Override == nil {
		return stateNote(now, s, r)
	}
	note := overrideNote(now, *r.Override)
	if r.Health != nil {
		note += "; " + healthNote(now, r.Health)
	}
	return note
}

func stateNote(now time.Time, s status.Service, r status.Server) string {
	switch {
	case r.Health != nil && (r.Present || r.Health.State != health.Up):
		return healthNote(now, r.Health)
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

// size writes a number of bytes with three digits at most and a decimal unit.
func size(n uint64) string {
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
