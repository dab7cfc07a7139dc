package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/guard"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

func newGuard(p *paths) *cobra.Command {
	c := &cobra.Command{
		Use:   "guard",
		Short: "What is dropped in front of the VIPs",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newGuardStatus(p), newGuardBlock(p), newGuardUnblock(p), newGuardTop(p), newGuardTest(p))
	return c
}

func newGuardStatus(p *paths) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what passed and what was dropped, by VIP and reason",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.status(cmd.Context())
			if err != nil {
				return err
			}
			if s.Guard == nil {
				return errors.New("there is no guard: neither the configuration nor the kernel has one")
			}
			if asJSON {
				return printJSON(p.env.Out, s.Guard)
			}
			return printGuard(p.env.Out, s.Time, *s.Guard)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newGuardBlock(p *paths) *cobra.Command {
	var period time.Duration
	c := &cobra.Command{
		Use:   "block PREFIX",
		Short: "Drop what comes from a network or an address",
		Long: `Drop what comes from a network or an address to the VIPs, at once, until --for is
over or 'lvsd guard unblock'. It outlasts a restart, of the machine too. A network
that is blocked already gets the new end. Sources on the allow list still pass.`,
		Example: "  lvsd guard block 198.51.100.0/24 --for 10m",
		Args:    exactly(1, "PREFIX, a network or an address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			network, err := networkArg(args[0])
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("for") && period <= 0 {
				return fmt.Errorf("--for %s is no time; expected a duration such as 10m, or no --for", period)
			}
			return p.director().Block(cmd.Context(), network, period)
		},
	}
	c.Flags().DurationVar(&period, "for", 0, "how long, such as 10m; for ever if it is left out")
	return c
}

func newGuardUnblock(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "unblock PREFIX",
		Short: "End a block that 'lvsd guard block' began",
		Args:  exactly(1, "PREFIX, as it was blocked"),
		RunE: func(cmd *cobra.Command, args []string) error {
			network, err := networkArg(args[0])
			if err != nil {
				return err
			}
			return p.director().Unblock(cmd.Context(), network)
		},
	}
}

func newGuardTop(p *paths) *cobra.Command {
	var asJSON bool
	var period time.Duration
	var most int
	c := &cobra.Command{
		Use:   "top",
		Short: "Show who sends most, and what was dropped last",
		Long: `Show which sources sent most to the VIPs in a short time, and what was dropped
last.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			top, seconds, err := p.topTalkers(cmd.Context(), period)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(p.env.Out, top)
			}
			return printTop(p.env.Out, top, seconds, most)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: the numbers in that time")
	c.Flags().DurationVar(&period, "for", time.Second, "how long to count")
	c.Flags().IntVarP(&most, "number", "n", 20, "how many `SOURCES`")
	return c
}

// topTalkers counts for a time: the difference of two answers.
func (p *paths) topTalkers(ctx context.Context, period time.Duration) (status.GuardTop, float64, error) {
	before, err := p.director().GuardTop(ctx)
	if err != nil {
		return status.GuardTop{}, 0, err
	}
	select {
	case <-ctx.Done():
		return status.GuardTop{}, 0, ctx.Err()
	case <-time.After(period):
	}
	after, err := p.director().GuardTop(ctx)
	return difference(before, after), after.Time.Sub(before.Time).Seconds(), err
}

// difference is what came between two answers. A source that was forgotten in
// between counts anew.
func difference(before, after status.GuardTop) status.GuardTop {
	type key struct {
		vip    netip.Addr
		source netip.Prefix
	}
	old := map[key]status.GuardTalker{}
	for _, t := range before.Talkers {
		old[key{t.VIP, t.Source}] = t
	}
	talkers := []status.GuardTalker{}
	for _, t := range after.Talkers {
		if o, ok := old[key{t.VIP, t.Source}]; ok && o.Packets <= t.Packets {
			t.Packets, t.Bytes, t.SYNs, t.Dropped = t.Packets-o.Packets, t.Bytes-o.Bytes, t.SYNs-o.SYNs, t.Dropped-o.Dropped
		}
		if t.Packets > 0 {
			talkers = append(talkers, t)
		}
	}
	slices.SortStableFunc(talkers, func(a, b status.GuardTalker) int { return cmp.Compare(b.Packets, a.Packets) })
	after.Talkers = talkers
	return after
}

func newGuardTest(p *paths) *cobra.Command {
	var asJSON bool
	var protocol string
	c := &cobra.Command{
		Use:   "test SRC DST",
		Short: "Say what the guard would do with a packet, and which rule decides",
		Long: `Run the guard's program in the kernel on a made packet, for TCP a SYN, and say what
it does with it and why. Nothing is sent. SRC is the client, an address with or
without a port; DST is a VIP with its port.`,
		Example: "  lvsd guard test 198.51.100.7 192.0.2.1:80",
		Args:    exactly(2, "SRC and DST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			probe, err := probeOf(protocol, args[0], args[1])
			if err != nil {
				return err
			}
			v, err := p.director().GuardTest(cmd.Context(), probe)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(p.env.Out, v)
			}
			return printGuardVerdict(p.env.Out, v)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&protocol, "protocol", "tcp", strings.Join(lvs.Protocols, ", "))
	return c
}

func networkArg(s string) (netip.Prefix, error) {
	network, problem, expected := guard.ParseNetwork(s)
	if problem != "" {
		return network, fmt.Errorf("%s; expected %s", problem, expected)
	}
	return network, nil
}

// anyPort is what a client's packet comes from if nobody says.
const anyPort = 40000

func probeOf(protocol, source, target string) (probe status.GuardProbe, err error) {
	if probe.Protocol, err = lvs.ParseProtocol(protocol); err != nil {
		return probe, err
	}
	if a, errAddr := netip.ParseAddr(source); errAddr == nil {
		probe.Source = netip.AddrPortFrom(a, anyPort)
	} else if probe.Source, err = netip.ParseAddrPort(source); err != nil {
		return probe, fmt.Errorf("SRC %q is not an address; expected ADDRESS, ADDRESS:PORT or [IPV6]:PORT", source)
	}
	if probe.Target, err = netip.ParseAddrPort(target); err != nil {
		return probe, fmt.Errorf("DST %q is not a VIP with a port; expected VIP:PORT or [IPV6]:PORT", target)
	}
	if probe.Source.Addr().Is4() != probe.Target.Addr().Is4() {
		return probe, fmt.Errorf("%s and %s are not of one family", probe.Source.Addr(), probe.Target.Addr())
	}
	return probe, nil
}
