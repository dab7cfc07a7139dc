package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

func newFailover(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "failover [INSTANCE]",
		Short: "Hand the VIPs over to another director",
		Long: `Hand a VRRP instance over to another director, or all in which this one is active.
It serves until the other one does, and does not take over again by itself as long
as that one lives. If there is no other one it stays active.`,
		Args: atMost("INSTANCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.director().Failover(cmd.Context(), strings.Join(args, ""))
		},
	}
}

func newRole(p *paths) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "role " + strings.Join(lvs.Roles, "|"),
		Short: "Tell the director its role, where others decide it",
		Long: `Set the role of VRRP instances with role = "external": for Pacemaker, keepalived's
notify scripts and others. The command returns when the VIPs have followed.`,
		Args:      exactly(1, "one of "+strings.Join(lvs.Roles, ", ")),
		ValidArgs: lvs.Roles,
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := lvs.ParseRole(args[0])
			if err != nil {
				return err
			}
			return p.director().SetRole(cmd.Context(), name, role)
		},
	}
	c.Flags().StringVarP(&name, "instance", "i", "", "the `INSTANCE`; all external ones if it is left out")
	return c
}

func printVRRP(b *strings.Builder, now time.Time, list []status.VRRP) {
	for _, v := range list {
		fmt.Fprintf(b, "vrrp %s on %s: %s", v.Name, v.Interface, strings.ToUpper(v.State))
		if !v.Since.IsZero() {
			fmt.Fprintf(b, " for %s", since(now, v.Since))
		}
		if v.Fault != "" {
			fmt.Fprintf(b, " (%s)", v.Fault)
		}
		if !v.External {
			fmt.Fprintf(b, ", id %d, priority %d, sent %d, received %d", v.ID, v.Priority, v.Sent, v.Received)
		}
		if v.Peer.IsValid() {
			fmt.Fprintf(b, ", peer %s of priority %d heard %s ago", v.Peer, v.PeerPriority, since(now, v.Heard))
		}
		b.WriteString("\n")
		for _, reason := range slices.Sorted(maps.Keys(v.Refused)) {
			fmt.Fprintf(b, "  refused %d: %s\n", v.Refused[reason], reason)
		}
		if v.ClaimedBy != "" {
			fmt.Fprintf(b, "  CLAIMED by %s too: %s\n", v.ClaimedBy, count(int(v.Claims), "packet"))
		}
		for _, vip := range v.VIPs {
			fmt.Fprintf(b, "  vip %s on %s: %s\n", vip.Address, vip.Interface, presence(v.Role, vip.Present))
		}
	}
}

// presence says in capitals what should not be.
func presence(role lvs.Role, present bool) string {
	switch {
	case present && (role == lvs.Active || role == lvs.Undecided):
		return "present"
	case present:
		return "PRESENT, but not active"
	case role == lvs.Active:
		return "MISSING"
	}
	return "not here"
}
