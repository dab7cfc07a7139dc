package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/realserver"
)

const defaultRealServer = "/etc/lvsd/realserver.toml"

const realServerHelp = `Make this host ready to be a real server, tell whether it is, or put it back.

For dr and tun each VIP becomes an address of lo, with ARP silent about it; for
tun a device receives the tunnelled packets, and clients are told a segment size
that fits into them; for nat the route to the clients is looked at, or with
--set-route led through the director.

What to be ready for is said by flags, by a file (-c), or by the director's file
(--from), in which this host is found by its own addresses:

  lvsd realserver setup --vip 192.0.2.10 --forwarding dr
  lvsd realserver status --vip 192.0.2.10 --port 80
  lvsd realserver teardown`

func newRealServer(p *paths) *cobra.Command {
	c := &cobra.Command{
		Use: "realserver", Short: "Prepare this host as a real server", Long: realServerHelp, Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// Instead of the director's file, and without its socket.
	c.PersistentFlags().StringP("config", "c", defaultRealServer, "the real server's configuration `FILE`")
	c.AddCommand(newRealServerSetup(p), newRealServerStatus(p), newRealServerTeardown(p), newRealServerRun(p), newRealServerReference(p))
	return c
}

// onHost runs something on this host.
func onHost(dir string, do func(*realserver.Server) error) error {
	k, err := realserver.Open()
	if err != nil {
		return err
	}
	defer k.Close()
	return do(realserver.New(k, dir))
}

func newRealServerSetup(p *paths) *cobra.Command {
	var f realServerFlags
	var dryRun, persist bool
	c := &cobra.Command{
		Use:   "setup",
		Short: "Make this host ready; what is ready already is left alone",
		Long: `Make this host ready. What was there before is remembered for teardown. If a step
fails, all of them are undone. With --persist, files for systemd make the host
ready again at each start of the machine, before the network is up.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(ctx context.Context, s *realserver.Server, c realserver.Config) error {
				if dryRun {
					steps, err := s.Plan(c)
					if err == nil {
						_, err = io.WriteString(p.env.Out, realserver.Text(steps))
					}
					return err
				}
				steps, err := s.Setup(ctx, c)
				if err != nil {
					return err
				}
				printSteps(p.env.Out, steps)
				if persist {
					return f.persist(s, c)
				}
				return nil
			})
		},
	}
	f.register(c)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only print the commands that would do it")
	c.Flags().BoolVar(&persist, "persist", false, "write files for systemd, so that it is done at each start of the machine")
	f.registerRoot(c)
	return c
}

func printSteps(w io.Writer, steps []realserver.Step) {
	for _, s := range steps {
		fmt.Fprintln(w, s)
	}
	if len(steps) == 0 {
		fmt.Fprintln(w, "nothing to change")
	}
}

func newRealServerStatus(p *paths) *cobra.Command {
	var f realServerFlags
	var asJSON bool
	c := &cobra.Command{
		Use:         "status",
		Short:       "Tell item by item whether this host is ready",
		Annotations: exits{exitOK: "the host is ready", exitError: "it is not, or an error, told on standard error"}.annotations(),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, func(ctx context.Context, s *realserver.Server, c realserver.Config) error {
				checks, err := s.Status(ctx, c)
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(p.env.Out, map[string]any{"ready": realserver.Ready(checks), "checks": checks})
				} else {
					printChecks(p.env.Out, checks)
				}
				if err == nil && !realserver.Ready(checks) {
					return exit(exitError)
				}
				return err
			})
		},
	}
	f.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printChecks(w io.Writer, checks []realserver.Check) {
	for _, c := range checks {
		word := "ok  "
		if !c.OK {
			word = "MISS"
		}
		fmt.Fprintf(w, "%s  %s: %s\n", word, c.Item, c.Found)
		if c.Remedy != "" {
			fmt.Fprintf(w, "      remedy: %s\n", c.Remedy)
		}
	}
	if realserver.Ready(checks) {
		fmt.Fprintln(w, "ready")
	} else {
		fmt.Fprintln(w, "not ready")
	}
}

func newRealServerTeardown(p *paths) *cobra.Command {
	var f realServerFlags
	var dryRun, keepFiles bool
	c := &cobra.Command{
		Use:   "teardown",
		Short: "Undo what setup made on this host",
		Long: `Undo what setup made, and remove the files that --persist wrote. A value that
somebody changed since is left and told.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := f.dir()
			if err != nil {
				return err
			}
			return onHost(dir, func(s *realserver.Server) error {
				if dryRun {
					steps, err := s.TeardownPlan()
					if err == nil {
						_, err = io.WriteString(p.env.Out, realserver.Text(steps))
					}
					return err
				}
				notes, err := s.Teardown()
				if !keepFiles {
					more, errFiles := realserver.Unpersist(f.root)
					notes, err = append(notes, more...), errors.Join(err, errFiles)
				}
				for _, n := range notes {
					fmt.Fprintln(p.env.Err, "lvsd:", n)
				}
				return err
			})
		},
	}
	f.registerDir(c)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only print the commands that would do it")
	c.Flags().BoolVar(&keepFiles, "keep-files", false, "leave the files that --persist wrote")
	f.registerRoot(c)
	return c
}

func newRealServerRun(p *paths) *cobra.Command {
	var f realServerFlags
	var interval time.Duration
	var format, level string
	c := &cobra.Command{
		Use:   "run",
		Short: "Make this host ready and keep it so, in the foreground",
		Long: `Make this host ready and repair it whenever something else changes it. Nothing is
undone at the end: it can be restarted while clients are served.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval <= 0 {
				return fmt.Errorf("--interval %s: expected more than 0", interval)
			}
			log, err := newLogger(p.env.Err, format, level)
			if err != nil {
				return err
			}
			return f.with(cmd, func(ctx context.Context, s *realserver.Server, c realserver.Config) error {
				return s.Run(ctx, c, interval, log)
			})
		},
	}
	f.register(c)
	c.Flags().DurationVar(&interval, "interval", 30*time.Second, "look again this often, even if nothing happened")
	c.Flags().StringVar(&format, "log-format", "text", "text or json")
	c.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return c
}

func newRealServerReference(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Print a commented configuration with every key and its default",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(p.env.Out, config.RealServerReference())
			return err
		},
	}
}
