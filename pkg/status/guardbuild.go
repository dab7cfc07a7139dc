package status

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/guard"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// SetGuard adds the guard, as it should be and as the kernel has it; either may be
// nil. The error is what could not be read.
func (s *Status) SetGuard(want, have *lvs.Guard, counters lvs.GuardCounters, blocks []guard.Block, err error) {
	g := &Guard{Interfaces: []GuardInterface{}, Commanded: []GuardBlock{}, VIPs: []GuardVIP{}, Problems: []string{}}
	if want != nil {
		g.Enforce = want.Enforce
	} else {
		want = &lvs.Guard{}
	}
	g.Loaded = have != nil
	if have == nil {
		have = &lvs.Guard{}
	} else {
		g.Enforce = have.Enforce
	}
	names := maps.Clone(want.Interfaces)
	if names == nil {
		names = map[string]lvs.GuardLink{}
	}
	maps.Copy(names, have.Interfaces)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		i := GuardInterface{Interface: name}
		if link, ok := have.Interfaces[name]; ok {
			i.Mode = link.Mode.String()
		}
		g.Interfaces = append(g.Interfaces, i)
	}
	g.Allow, g.Block = have.Allow.Len(), have.Block.Len()
	for _, b := range blocks {
		g.Commanded = append(g.Commanded, GuardBlock(b))
	}
	g.VIPs = guardVIPs(have.VIPs, counters)
	if err != nil {
		g.Problems = strings.Split(err.Error(), "\n")
	}
	s.Guard = g
}

// guardVIPs sorts what was counted by VIP, and the reasons of each by number.
func guardVIPs(vips map[netip.Addr]lvs.GuardVIP, counters lvs.GuardCounters) []GuardVIP {
	all := map[netip.Addr]*GuardVIP{}
	for a := range vips {
		all[a] = &GuardVIP{VIP: a, Reasons: []GuardReason{}}
	}
	for _, n := range counters.Packets {
		v := all[n.VIP]
		if v == nil {
			continue
		}
		v.Passed.Packets += n.Passed
		v.Dropped.Packets += n.Dropped
		if n.Reason != lvs.GuardPassed {
			v.Reasons = append(v.Reasons, GuardReason{Reason: n.Reason.String(), Drops: n.Reason.Drops(), Passed: n.Passed, Dropped: n.Dropped})
		}
	}
	for _, n := range counters.Bytes {
		if v := all[n.VIP]; v != nil {
			v.Passed.Bytes, v.Dropped.Bytes = n.Passed, n.Dropped
		}
	}
	list := []GuardVIP{}
	for _, a := range slices.SortedFunc(maps.Keys(all), netip.Addr.Compare) {
		slices.SortStableFunc(all[a].Reasons, func(x, y GuardReason) int { return cmp.Compare(y.Passed+y.Dropped, x.Passed+x.Dropped) })
		list = append(list, *all[a])
	}
	return list
}

// ExplainGuard puts into words what the guard made of a packet, and which rule it was
// by what the guard should hold.
func ExplainGuard(packet string, v lvs.GuardVerdict, p GuardProbe, want *lvs.Guard, blocks []guard.Block) GuardVerdict {
	return GuardVerdict{
		Packet: packet, Reason: v.Reason.String(), Drops: v.Reason.Drops(), Dropped: v.Dropped, Rule: rule(v.Reason, p, want, blocks),
	}
}

func rule(r lvs.GuardReason, p GuardProbe, want *lvs.Guard, blocks []guard.Block) string {
	if want == nil {
		return r.String()
	}
	source, vip := p.Source.Addr(), p.Target.Addr()
	switch r {
	case lvs.GuardNotVIP:
		return fmt.Sprintf("%s is no VIP, the guard does not look at it", vip)
	case lvs.GuardAllowed:
		if network, ok := want.Allow.Match(source); ok {
			return fmt.Sprintf("%s is on the allow list", network)
		}
	case lvs.GuardBlocked:
		return blockedBy(source, want, blocks)
	case lvs.GuardUndeclared:
		return fmt.Sprintf("no service of %s has %s %d; it has %s", vip, p.Protocol, p.Target.Port(), ports(want.VIPs[vip].Ports))
	case lvs.GuardPassed:
		return "no rule speaks against it, and no limit is reached"
	}
	return r.String()
}

func blockedBy(source netip.Addr, want *lvs.Guard, blocks []guard.Block) string {
	network, ok := want.Block.Match(source)
	if !ok {
		return lvs.GuardBlocked.String()
	}
	for _, b := range blocks {
		if b.Prefix == network {
			return fmt.Sprintf("%s is blocked by command of %s", network, b.By)
		}
	}
	return fmt.Sprintf("%s is on the block list", network)
}

func ports(open map[lvs.GuardPort]lvs.GuardLimits) string {
	var words []string
	for _, p := range slices.SortedFunc(maps.Keys(open), lvs.GuardPort.Compare) {
		words = append(words, p.String())
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
