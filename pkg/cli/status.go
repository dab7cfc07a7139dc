package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/status"
)

func newStatus(p *paths) *cobra.Command {
	var asJSON bool
	var watch time.Duration
	c := &cobra.Command{
		Use:   "status [SERVICE/SERVER]",
		Short: "Is it well? The director, its services and real servers",
		Long: `Show in one look whether all is well, and why not: the director and its roles, every
virtual service with its real servers, weights in force and configured, health,
connections, rates and what operators have said. A running director adds what it
knows; where none runs, the kernel is read directly, which needs root. With
SERVICE/SERVER, the names in the configuration, the latest probes of that server's
checks are shown, with what came of them.

Colours are for terminals only, and not with NO_COLOR. --json is for programs: its
names are those of 'lvsd reference api', schema status.Status.`,
		Args:              atMost("SERVICE/SERVER"),
		ValidArgsFunction: p.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			show := func() error { return p.showStatus(cmd.Context(), asJSON) }
			if len(args) == 1 {
				show = func() error { return p.showProbes(cmd.Context(), args[0], asJSON) }
			}
			if !cmd.Flags().Changed("watch") {
				return show()
			}
			if _, err := time.ParseDuration(strings.Join(args, "")); err == nil {
				return fmt.Errorf("%q names no server: expected SERVICE/SERVER; an interval is written --watch=%s", args[0], args[0])
			}
			if watch < minWatch {
				return fmt.Errorf("--watch=%s: expected at least %s", watch, minWatch)
			}
			return p.watch(cmd.Context(), watch, show)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().DurationVar(&watch, "watch", 2*time.Second, "show it again and again, at this `INTERVAL`")
	c.Flags().Lookup("watch").NoOptDefVal = "2s"
	return c
}

const minWatch = 100 * time.Millisecond

// watch shows something again and again. An error is shown too: the next time it may
// work.
func (p *paths) watch(ctx context.Context, interval time.Duration, show func() error) error {
	clear := isTerminal(p.env.Out)
	for {
		if clear {
			fmt.Fprint(p.env.Out, "\x1b[H\x1b[2J\x1b[3J")
		}
		if err := show(); err != nil {
			fmt.Fprintln(p.env.Err, "lvsd:", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
	}
}

func (p *paths) showProbes(ctx context.Context, name string, asJSON bool) error {
	list, err := p.probes(ctx, name)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(p.env.Out, list)
	}
	return p.env.painted(func(w io.Writer) error { return printProbes(w, list) })
}

func (p *paths) showStatus(ctx context.Context, asJSON bool) error {
	s, err := p.status(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(p.env.Out, s)
	}
	return p.env.painted(func(w io.Writer) error { return printStatus(w, s) })
}

// status asks the running director, or reads the kernel where none runs and none
// was named. A configuration that is not valid hides neither: a director has its
// own, and the kernel's services go without names.
func (p *paths) status(ctx context.Context) (status.Status, error) {
	s, err := p.director().Status(ctx)
	if p.socket != "" || !errors.Is(err, control.ErrNotRunning) {
		return s, err
	}
	c, errConfig := daemon.Validate(ctx, p.config)
	if errConfig != nil {
		c = &config.Config{}
	}
	s, err = daemon.Status(ctx, c, p.env.Version)
	if err == nil && errConfig != nil {
		s.Warnings = append(s.Warnings, "the configuration is not valid, so services have no names here:\n"+errConfig.Error())
		s.Verdict = status.Judge(s)
	}
	return s, err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
