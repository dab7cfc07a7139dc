package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/override"
)

// target says which server a command is about, or that it is the director.
type target struct {
	server   string
	director bool
}

func (t *target) flags(c *cobra.Command, director string) {
	c.Flags().StringVar(&t.server, "server", "", "a real server in all services, by `NAME` or address")
	if director != "" {
		c.Flags().BoolVar(&t.director, "director", false, director)
		c.MarkFlagsMutuallyExclusive("server", "director")
	}
}

// of reads SERVICE/SERVER, if there is one, and the flags.
func (t *target) of(cmd *cobra.Command, names []string) (override.Target, error) {
	given := len(names)
	if t.server != "" {
		given++
	}
	if t.director {
		given++
	}
	switch {
	case given != 1:
		return override.Target{}, fmt.Errorf("%s takes one SERVICE/SERVER or --server NAME, got %d of them", cmd.CommandPath(), given)
	case t.director:
		return override.Self, nil
	case t.server != "" && strings.Contains(t.server, "/"):
		return override.Target{}, fmt.Errorf("--server %s: expected a NAME or an address, without a service", t.server)
	case t.server != "":
		return override.Everywhere(t.server), nil
	}
	parsed, err := override.ParseTarget(names[0])
	if err == nil && parsed.Scope != override.OneServer {
		err = fmt.Errorf("%q: expected SERVICE/SERVER, --server NAME for all services, or --director", names[0])
	}
	return parsed, err
}

func newDrain(p *paths) *cobra.Command {
	var t target
	var reason string
	w := wait{p: p}
	c := &cobra.Command{
		Use:   "drain SERVICE/SERVER | --server NAME | --director",
		Short: "Let no new connections reach a real server, and wait for the last one",
		Long: `Give a real server weight 0: it keeps the connections that it has and gets no new
ones, also from persistent clients. The drain outlasts a restart of the director
and a reboot, until 'lvsd enable' takes it back; 'lvsd status' shows who drained,
when and why. The configuration is not changed, and a reload takes nothing back.

With --wait the command returns when the last connection has ended, or at the
deadline. TCP connections that are only being closed do not count, UDP is waited
for until its time-out. If the director is restarted meanwhile, waiting goes on.
With --remove the director deletes the server from the kernel once it has no entry
of a connection left, or at the deadline, whether the command waits for it or not.

A drained server does not count as failed: nobody is told of it, and a quorum goes
by its health. If all servers of a service are drained, the fallback serves.

--director hands every VIP over to another director, as stopping keepalived there
would, and sends it all connections first where [sync] is configured. The services
stay as they are. This director then takes a VIP again only if no other one lives.
Where nobody takes over, nothing is changed, and that is an error.`,
		Annotations: exits{
			exitOK:       "drained; with --wait: and empty",
			exitDeadline: "with --wait: connections were left at the deadline; with --remove they are cut",
		}.annotations(),
		Example: `  lvsd drain web/web1 --wait --deadline 30m --reason "new disk"
  lvsd drain --server web1 --wait && ssh web1 reboot
  lvsd drain --director`,
		ValidArgsFunction: p.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := t.of(cmd, args)
			if err != nil {
				return err
			}
			if err := w.check(cmd, target); err != nil {
				return err
			}
			order := control.Order{Target: target, Reason: reason, Remove: w.remove}
			if w.remove {
				order.Deadline = w.deadline
			}
			started := time.Now()
			done, err := p.director().Override(cmd.Context(), order)
			if err == nil {
				err = p.printOrdered(done, "drained")
			}
			if err != nil || !w.wait {
				return err
			}
			return w.run(cmd.Context(), done.Override, started)
		},
	}
	t.flags(c, "this director: hand the VIPs over to another one")
	c.Flags().BoolVar(&w.wait, "wait", false, "wait until the last connection has ended")
	c.Flags().DurationVar(&w.deadline, "deadline", 10*time.Minute, "how long to wait, or until --remove deletes in any case; 0 is for ever")
	c.Flags().BoolVar(&w.remove, "remove", false, "delete the server from the kernel once it is empty")
	c.Flags().StringVar(&reason, "reason", "", "one `LINE` that the status shows")
	return c
}

func newEnable(p *paths) *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   "enable SERVICE/SERVER | --server NAME | --director",
		Short: "Take a drain or another weight back",
		Long: `Take back what 'lvsd drain' or 'lvsd weight' said: the server gets the weight that
the configuration and its health give it. A server that is drained in all services
(--server) comes back in all of them only. A director that was drained takes the
VIPs again if its priority and preempt say so.`,
		ValidArgsFunction: p.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := t.of(cmd, args)
			if err != nil {
				return err
			}
			done, err := p.director().Enable(cmd.Context(), target)
			if err != nil {
				return err
			}
			if !done.Changed && len(done.Others) > 0 {
				return fmt.Errorf("%s has no order of its own to take back:\n  %s", target, others(done))
			}
			if !done.Changed {
				_, err := fmt.Fprintf(p.env.Out, "%s was not drained and has no other weight\n", target)
				return err
			}
			return p.printOrdered(done, "as configured")
		},
	}
	t.flags(c, "this director")
	return c
}

func newWeight(p *paths) *cobra.Command {
	var t target
	var reason string
	c := &cobra.Command{
		Use:   "weight SERVICE/SERVER N | --server NAME N",
		Short: "Give a real server another weight than the configuration does",
		Long: `Give a real server another weight, until 'lvsd enable' takes it back. It holds while
the server is up; one that is down gets none. Weight 0 is 'lvsd drain'. As with a
drain, the configuration is not changed and a restart takes nothing back.`,
		ValidArgsFunction: p.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%s takes a weight: expected a number from 0 to %d", cmd.CommandPath(), control.MaxWeight)
			}
			last := args[len(args)-1]
			weight, err := parseWeight(last)
			if err != nil {
				return err
			}
			target, err := t.of(cmd, args[:len(args)-1])
			if err != nil {
				return err
			}
			done, err := p.director().Override(cmd.Context(), control.Order{Target: target, Weight: weight, Reason: reason})
			if err != nil {
				return err
			}
			return p.printOrdered(done, done.Override.Verb())
		},
	}
	t.flags(c, "")
	c.Flags().StringVar(&reason, "reason", "", "one `LINE` that the status shows")
	return c
}

func parseWeight(s string) (int32, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("weight %q: expected a number from 0 to %d", s, control.MaxWeight)
	}
	return int32(n), nil
}

// printOrdered says what an order came to.
func (p *paths) printOrdered(done control.Ordered, what string) error {
	names := strings.Join(done.Servers, ", ")
	switch {
	case done.Override.Target == override.Self && what == "drained":
		what = "VIPs handed over: " + names
	case done.Override.Target == override.Self:
		what = "takes part again: " + names
	case names != "" && names != done.Override.Target.String():
		what += ": " + names
	}
	if _, err := fmt.Fprintf(p.env.Out, "%s: %s\n", done.Override.Target, what); err != nil {
		return err
	}
	if len(done.Others) > 0 {
		if _, err := fmt.Fprintf(p.env.Out, "but not everywhere:\n  %s\n", others(done)); err != nil {
			return err
		}
	}
	if len(done.Errors) > 0 {
		return errors.New("not all could be done, it is tried again:\n  " + strings.Join(done.Errors, "\n  "))
	}
	return nil
}

// others says which other orders decide, and how they are taken back.
func others(done control.Ordered) string {
	var lines []string
	for _, o := range done.Others {
		lines = append(lines, fmt.Sprintf("%s is %s (lvsd enable %s)", o.Target, o.Verb(), argument(o.Target)))
	}
	return strings.Join(lines, "\n  ")
}

// argument is how a target is written on the command line.
func argument(t override.Target) string {
	switch t.Scope {
	case override.EveryServer:
		return "--server " + t.Server
	case override.Director:
		return "--director"
	}
	return t.String()
}
