package cli

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

func newSync(p *paths) *cobra.Command {
	c := &cobra.Command{
		Use:   "sync",
		Short: "Connections that the standby knows of",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "push",
		Short: "Send all connections to the standby",
		Long: `Send every connection and every persistence template of the active director to the
standby, in the messages of the kernel's sync daemon. The kernel itself sends a
connection only when packets of it pass, so a standby that has started late does
not know of idle ones.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			push, err := p.director().PushConnections(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.env.Out, "%s sent\n", amount(push.Connections))
			if err == nil && push.Left > 0 {
				_, err = fmt.Fprintf(p.env.Out, "%s left out: the table does not have their service and real server any more\n",
					count(push.Left, "connection"))
			}
			return err
		},
	})
	return c
}

// amount says how many connections and templates there are.
func amount(c status.Connections) string {
	return count(int(c.Connections), "connection") + " and " + count(int(c.Templates), "persistence template")
}

func printSync(b *strings.Builder, now time.Time, s *status.Sync) {
	if s == nil {
		return
	}
	fmt.Fprintf(b, "sync on %s to %s: %s, %s here\n", s.Interface, s.Group, roles(s.Roles), amount(s.Here))
	for _, p := range s.Peers {
		fmt.Fprintf(b, "  peer %s: %s\n", p.Address, peerText(now, p))
	}
	if s.Pushed != nil {
		fmt.Fprintf(b, "  pushed %s ago: %s%s\n", since(now, s.Pushed.Time), amount(s.Pushed.Connections), askedBy(s.Pushed.Peer))
	}
	if s.Got != nil {
		fmt.Fprintf(b, "  got %s ago from %s: %s\n", since(now, s.Got.Time), s.Got.Peer, amount(s.Got.Connections))
	}
	if s.Waiting {
		b.WriteString("  WAITS FOR A PUSH of the connections that were before this director listened\n")
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Refused)) {
		fmt.Fprintf(b, "  refused %d: %s\n", s.Refused[reason], reason)
	}
}

// roles says what the kernel's daemons do here.
func roles(list []lvs.SyncRole) string {
	words := []string{}
	for _, r := range list {
		words = append(words, r.String())
	}
	return orElse(strings.Join(words, " and "), "no daemon")
}

func peerText(now time.Time, p status.Peer) string {
	text := "NOT ASKED YET"
	switch {
	case p.Error != "":
		text = "NO ANSWER"
		if !p.Answered.IsZero() {
			text += fmt.Sprintf(" for %s", since(now, p.Answered))
		}
		return text + ": " + p.Error
	case p.Answered.IsZero():
		return text
	}
	var list []lvs.SyncRole
	if p.Master {
		list = append(list, lvs.SyncMaster)
	}
	if p.Backup {
		list = append(list, lvs.SyncBackup)
	}
	text = fmt.Sprintf("%s, %s, %d apart, asked %s ago", roles(list), amount(p.Connections), p.Apart, since(now, p.Answered))
	if p.Behind {
		text += fmt.Sprintf(", FAR BEHIND for %s", since(now, p.Since))
	}
	return text
}

func askedBy(peer netip.Addr) string {
	if !peer.IsValid() {
		return ", by hand"
	}
	return ", asked for by " + peer.String()
}

// printSyncDaemons writes the kernel's daemons that send connections, or receive them.
func printSyncDaemons(b *strings.Builder, s status.Status) {
	for _, d := range s.SyncDaemons {
		state := "running"
		switch {
		case !d.Running:
			state = "MISSING"
		case !d.Wanted && s.Daemon != nil:
			state = "running, but not asked for"
		}
		fmt.Fprintf(b, "sync daemon %s on %s, id %d: %s\n", d.Role, d.Interface, d.ID, state)
	}
}
