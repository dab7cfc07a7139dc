package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Packet is the first packet of a flow that arrives for the host.
type Packet struct {
	In       string     // interface
	Protocol uint8      // of IP
	Dst      netip.Addr // also gives the family
	Port     uint16     // destination; 0 if the protocol has none
}

// Blocked gives the rule of the table filter, of anybody's, that drops or rejects a
// packet, in the words of iptables -S, and "" if there is none or if it cannot be
// said: a rule that may match for reasons outside of Packet counts as letting it
// pass. Rules of nft(8) that iptables does not show are not looked at.
func (f *Firewall) Blocked(p Packet) (string, error) {
	tool, err := f.tool(lvs.FamilyOf(p.Dst))
	if err != nil {
		return "", fmt.Errorf("look for rules that drop packets: %w", err)
	}
	if !tool.loaded("filter") {
		return "", nil
	}
	listing, err := tool.list("filter")
	if err != nil {
		return "", fmt.Errorf("look for rules that drop packets: %w", commandError{err})
	}
	return blocked(listing, p), nil
}

// filter is what iptables -S prints, by chain.
type filter struct {
	policies map[string]string
	rules    map[string][][]string
	packet   Packet
}

func blocked(listing string, p Packet) string {
	f := filter{policies: map[string]string{}, rules: map[string][][]string{}, packet: p}
	for line := range strings.Lines(listing) {
		args, err := split(strings.TrimRight(line, "\n"))
		switch {
		case err != nil || len(args) < 2:
		case args[0] == "-P" && len(args) > 2:
			f.policies[args[1]] = args[2]
		case args[0] == "-A":
			f.rules[args[1]] = append(f.rules[args[1]], args)
		}
	}
	v, by := f.walk("INPUT", 0)
	if v == undecided && f.policies["INPUT"] == "DROP" {
		v, by = dropped, "-P INPUT DROP"
	}
	if v == dropped {
		return by
	}
	return ""
}

type verdict int

const (
	undecided verdict = iota
	passed
	dropped
)

// maxDepth bounds the jumps between chains.
const maxDepth = 32

// walk follows a packet through a chain.
func (f filter) walk(chain string, depth int) (verdict, string) {
	if depth > maxDepth {
		return passed, ""
	}
	for _, args := range f.rules[chain] {
		m := f.packet.matches(args[2:])
		if m == no {
			continue
		}
		switch to := target(args); to {
		case "ACCEPT":
			return passed, ""
		case "RETURN":
			if m == yes {
				return undecided, ""
			}
		case "DROP", "REJECT":
			if m == yes {
				return dropped, join(args)
			}
		default:
			v, by := f.walk(to, depth+1)
			if v == passed || v == dropped && m == yes {
				return v, by
			}
		}
	}
	return undecided, ""
}

type answer int

const (
	no answer = iota
	maybe
	yes
)

// matches tells whether a packet meets the conditions of a rule.
func (p Packet) matches(args []string) answer {
	all := yes
	for i := 0; i < len(args) && args[i] != "-j" && args[i] != "-g"; {
		negated := args[i] == "!"
		if negated {
			i++
		}
		if i+1 >= len(args) {
			return maybe
		}
		a := p.meets(args[i], args[i+1])
		if negated && a != maybe {
			a = yes - a
		}
		all = min(all, a)
		i += 2
	}
	return all
}

// known are the extensions whose options meets understands.
var known = []string{"tcp", "udp", "sctp", "multiport", "conntrack", "state", "comment"}

// meets tells whether a packet meets one condition.
func (p Packet) meets(option, value string) answer {
	switch option {
	case "-p":
		return is(protocolNumber(value) == int(p.Protocol))
	case "-i":
		prefix, wild := strings.CutSuffix(value, "+")
		return is(value == p.In || wild && strings.HasPrefix(p.In, prefix))
	case "-d":
		prefix, err := netip.ParsePrefix(value)
		return is(err == nil && prefix.Contains(p.Dst))
	case "--dport", "--dports":
		return is(p.hasPort(value))
	case "--ctstate", "--state":
		return is(slices.Contains(strings.Split(value, ","), "NEW"))
	case "--comment":
		return yes
	case "-m":
		if slices.Contains(known, value) {
			return yes
		}
	}
	return maybe
}

func is(b bool) answer {
	if b {
		return yes
	}
	return no
}

// hasPort reads the port, the range or the list of them of a condition.
func (p Packet) hasPort(list string) bool {
	for item := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(item, ":")
		if !isRange {
			to = from
		}
		low, err1 := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && low <= int(p.Port) && int(p.Port) <= high {
			return true
		}
	}
	return false
}

// protocolNumber reads a protocol as iptables -S writes it; -1 is none that is
// known here.
func protocolNumber(name string) int {
	numbers := map[string]int{
		"icmp": 1, "ipencap": 4, "ipip": 4, "ipv4": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "ipv6-icmp": 58, "sctp": 132,
	}
	if n, ok := numbers[name]; ok {
		return n
	}
	if n, err := strconv.Atoi(name); err == nil {
		return n
	}
	return -1
}
