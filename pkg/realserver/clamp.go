package realserver

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// clampChain is where the answers from a VIP get a smaller segment size.
const clampChain = lvs.ChainPrefix + "OUTPUT"

// rule is an iptables rule.
type rule struct{ lvs.Rule }

// clamp gives the rules by which clients of a tunnelled VIP send segments that fit
// into the tunnel: an offer of more, in the SYN-ACK, is lowered. A route with
// advmss would do it too, but only for a copy of all of the host's routes.
func clamp(vip netip.Addr, mss int) []lvs.Rule {
	f := lvs.FamilyOf(vip)
	own := lvs.Rule{Family: f, Table: "mangle", Chain: clampChain}
	own.Spec = fmt.Sprintf(
		`-s %s -p tcp -m tcp --tcp-flags SYN,RST SYN -m comment --comment "lvsd: realserver" -j TCPMSS --set-mss %d`,
		netip.PrefixFrom(vip, vip.BitLen()), mss)
	return []lvs.Rule{own, {Family: f, Table: "mangle", Chain: "OUTPUT", Spec: "-j " + clampChain}}
}

// segment is the largest TCP segment that fits into a packet of the MTU after the
// director has wrapped it up, in bytes. Headers: TCP 20 (options count as
// segment), IPv4 20, IPv6 40, GRE 4 and its checksum 4 (RFC 2784), UDP 8 and GUE 4,
// its option of remote checksum offload 8 (include/net/gue.h).
func segment(mtu int, t lvs.Tunnel, inner, outer lvs.Family) int {
	header := map[lvs.Family]int{lvs.IPv4: 20, lvs.IPv6: 40}
	size := mtu - header[outer] - header[inner] - 20
	switch t.Type {
	case lvs.GRE:
		size -= 4
		if t.Checksum == lvs.WithChecksum {
			size -= 4
		}
	case lvs.GUE:
		size -= 8 + 4
		if t.Checksum == lvs.RemoteChecksum {
			size -= 8
		}
	}
	return size
}

func (r rule) String() string { return "rule " + r.Rule.String() }

func (r rule) found(_ *Kernel, o observed) (string, bool, error) {
	if o.noRules != nil {
		return "", false, o.noRules
	}
	if o.rules[r.Rule] == 0 {
		return "it is not there", false, nil
	}
	return "it is there", true, nil
}

func (r rule) make(_ context.Context, k *Kernel) error { return k.Firewall.Add(r.Rule) }

func (r rule) undo(k *Kernel) (string, error) {
	return "", ignore(k.Firewall.Delete(r.Rule), fs.ErrNotExist)
}

func (r rule) making() []string {
	add := r.Rule.String()
	if r.Chain != clampChain {
		return []string{strings.Replace(add, " -A ", " -I ", 1)} // a jump comes first
	}
	tool, _, _ := strings.Cut(add, " ")
	return []string{command(tool, "-t", r.Table, "-N", r.Chain), add}
}

func (r rule) undoing() []string {
	return []string{strings.Replace(r.Rule.String(), " -A ", " -D ", 1)}
}
