package xdp

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Counters gives what was decided, summed over all processors.
func (g *Guard) Counters() (lvs.GuardCounters, error) {
	var all lvs.GuardCounters
	t, err := g.table()
	if err != nil {
		return all, fmt.Errorf("read the guard's counters: %w", err)
	}
	for _, addr := range slices.SortedFunc(maps.Keys(t.vips), netip.Addr.Compare) {
		tally, err := g.tally(t.vips[addr].Id)
		if err != nil {
			return all, fmt.Errorf("read the guard's counters: %w", err)
		}
		for r := range lvs.GuardReasons {
			if tally.Passed[r] > 0 || tally.Dropped[r] > 0 {
				all.Packets = append(all.Packets, lvs.GuardCount{VIP: addr, Reason: r, Passed: tally.Passed[r], Dropped: tally.Dropped[r]})
			}
		}
		all.Bytes = append(all.Bytes, lvs.GuardBytes{VIP: addr, Passed: tally.BytesPassed, Dropped: tally.BytesDropped})
	}
	return all, nil
}

// tally sums a VIP's counters over all processors.
func (g *Guard) tally(vip uint32) (sum guardTally, err error) {
	var each []guardTally
	if err := g.objects.Tallies.Lookup(vip, &each); err != nil {
		return sum, err
	}
	for i := range each {
		for r := range lvs.GuardReasons {
			sum.Passed[r] += each[i].Passed[r]
			sum.Dropped[r] += each[i].Dropped[r]
		}
		sum.BytesPassed += each[i].BytesPassed
		sum.BytesDropped += each[i].BytesDropped
	}
	return sum, nil
}

// Talkers gives the n sources that sent most packets to the VIPs, the loudest
// first. Sources are forgotten when there are more than the table holds, those
// that were silent longest first.
func (g *Guard) Talkers(n int) ([]lvs.GuardTalker, error) {
	t, errTable := g.table()
	clients, errClients := dump[guardClientKey, guardClient](g.objects.Clients)
	if err := errors.Join(errTable, errClients); err != nil {
		return nil, fmt.Errorf("read the guard's clients: %w", err)
	}
	vips := t.scopes()
	type key struct {
		vip    netip.Addr
		source netip.Prefix
	}
	sums := map[key]lvs.GuardTalker{}
	for k, c := range clients {
		vip, ok := vips[k.Scope]
		if !ok {
			continue // of a VIP or port that is gone
		}
		at := key{vip, source(vip, k.Source)}
		sum := sums[at]
		sum.VIP, sum.Source = at.vip, at.source
		sum.Packets += c.Packets
		sum.Bytes += c.Bytes
		sum.SYNs += c.Syns
		sum.Dropped += c.Dropped
		sums[at] = sum
	}
	loudest := slices.SortedFunc(maps.Values(sums), louder)
	return loudest[:min(len(loudest), max(n, 0))], nil
}

// louder puts who sent more first.
func louder(a, b lvs.GuardTalker) int {
	return cmp.Or(cmp.Compare(b.Packets, a.Packets), a.VIP.Compare(b.VIP), a.Source.Compare(b.Source))
}

// scopes gives the VIP of each scope.
func (t table) scopes() map[uint32]netip.Addr {
	byID, all := map[uint32]netip.Addr{}, map[uint32]netip.Addr{}
	for addr, v := range t.vips {
		byID[v.Id], all[v.Scope] = addr, addr
	}
	for k, scope := range t.ports {
		if addr, ok := byID[k.Vip]; ok {
			all[scope] = addr
		}
	}
	return all
}

// source reads a client's address: of the VIP's family.
func source(vip netip.Addr, a guardAddress) netip.Prefix {
	if vip.Is4() {
		return netip.PrefixFrom(fromWord(a.Word[0]), 32)
	}
	return netip.PrefixFrom(fromAddress(a), 64)
}

// Retransmissions gives the SYNs to each service and how many of them were
// repeated, in the order of VIPs and ports.
func (g *Guard) Retransmissions() ([]lvs.GuardSYNCount, error) {
	t, err := g.table()
	if err != nil {
		return nil, fmt.Errorf("read the guard's SYNs: %w", err)
	}
	meters, err := readAt[guardBuckets](g.objects.Meters, t.places())
	if err != nil {
		return nil, fmt.Errorf("read the guard's SYNs: %w", err)
	}
	vips := t.scopes()
	var all []lvs.GuardSYNCount
	for k, scope := range t.ports {
		if vip, ok := vips[scope]; ok {
			b := meters[place(scope)]
			all = append(all, lvs.GuardSYNCount{VIP: vip, Port: fromKey(k), SYNs: b.First + b.Again, Again: b.Again})
		}
	}
	slices.SortFunc(all, func(a, b lvs.GuardSYNCount) int { return cmp.Or(a.VIP.Compare(b.VIP), a.Port.Compare(b.Port)) })
	return all, nil
}
