package lvs

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// PostroutingChain is lvsd's own chain in the table nat, in which source
// addresses are rewritten.
const PostroutingChain = ChainPrefix + "POSTROUTING"

// maxComment is the longest comment that the kernel takes, in bytes
// (XT_MAX_COMMENT_LEN less the final NUL, uapi/linux/netfilter/xt_comment.h).
const maxComment = 255

// Masquerade gives the rules by which the connections that hosts of the prefix
// open to the outside leave with the director's address.
//
// What the director itself sends is left alone: its VRRP and sync packets must
// keep their source address, and so must the answers of LVS-NAT, whose source
// is a VIP by the time they are looked at.
func Masquerade(p netip.Prefix) []Rule {
	p = p.Masked()
	match := fmt.Sprintf("-s %s ! -d %s -m addrtype ! --src-type LOCAL", p, p)
	return masquerade(FamilyOf(p.Addr()), match, "lvsd: masquerade")
}

// SNAT gives the rules by which what a virtual service forwards by NAT reaches
// the real server with an address of the director's (with IPv6 that may be the
// VIP), so that the answer comes back whatever the real server's routes are
// (one-arm NAT). The client's address is
// lost. They need net.ipv4.vs.conntrack=1: without it such packets pass by the
// table nat. The name is the virtual service's in the configuration.
func SNAT(name string, k ServiceKey) []Rule {
	return masquerade(k.Family(), "-m ipvs "+ipvsMatch(k), "lvsd: virtual "+name)
}

// ipvsMatch picks the packets of one service. For a mark the kernel's ipvs
// match has no word, but the packet still carries it.
func ipvsMatch(k ServiceKey) string {
	if k.Mark != 0 {
		return fmt.Sprintf("--vmethod MASQ -m mark --mark %#x", k.Mark)
	}
	match := fmt.Sprintf("--vproto %d --vaddr %s", k.Protocol, k.VIP.Addr())
	if port := k.VIP.Port(); port != 0 {
		match += fmt.Sprintf(" --vport %d", port)
	}
	return match + " --vmethod MASQ"
}

func masquerade(f Family, match, comment string) []Rule {
	own := Rule{Family: f, Table: "nat", Chain: PostroutingChain}
	own.Spec = match + " -m comment --comment " + quote(comment) + " -j MASQUERADE"
	jump := Rule{Family: f, Table: "nat", Chain: "POSTROUTING", Spec: "-j " + PostroutingChain}
	return []Rule{own, jump}
}

// quote writes a comment that contains a space as iptables -S prints it
// (xtables_save_string), cut to the kernel's limit. Control characters would
// tear the listing apart: they become question marks.
func quote(s string) string {
	s = strings.Map(printable, s)
	for len(s) > maxComment {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, `'`, `\'`).Replace(s) + `"`
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r == utf8.RuneError {
		return '?'
	}
	return r
}
