package xdp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Flags of a VIP, and where the scopes of ports begin; bpf/guard.h has the same.
const (
	vipShared    = 1
	vipWildcards = 2
	firstScope   = MaxVIPs + 1
)

const second = 1_000_000_000 // nanoseconds

// cost is how long a bucket takes to get a token. More than one in a nanosecond
// is one.
func cost(perSecond uint32) uint64 { return max(1, second/uint64(perSecond)) }

func toLimit(r lvs.Rate) guardLimit {
	l := guardLimit{PerSecond: r.PerSecond, Burst: r.Burst}
	if r.PerSecond > 0 {
		l.Cost = cost(r.PerSecond)
		l.Depth = uint64(max(r.Burst, 1)-1) * l.Cost
	}
	return l
}

func fromLimit(l guardLimit) lvs.Rate { return lvs.Rate{PerSecond: l.PerSecond, Burst: l.Burst} }

func toLimits(l lvs.GuardLimits) guardLimits {
	return guardLimits{
		SourceSyns: toLimit(l.SourceSYNs), SourcePackets: toLimit(l.SourcePackets),
		Syns: toLimit(l.SYNs), Packets: toLimit(l.Packets), Fragments: toLimit(l.Fragments),
	}
}

func fromLimits(l guardLimits) lvs.GuardLimits {
	return lvs.GuardLimits{
		SourceSYNs: fromLimit(l.SourceSyns), SourcePackets: fromLimit(l.SourcePackets),
		SYNs: fromLimit(l.Syns), Packets: fromLimit(l.Packets), Fragments: fromLimit(l.Fragments),
	}
}

func toKey(vip uint32, p lvs.GuardPort) guardPortKey {
	return guardPortKey{Vip: vip, Port: toPort(p.Port), Protocol: uint8(p.Protocol)}
}

func fromKey(k guardPortKey) lvs.GuardPort {
	return lvs.GuardPort{Protocol: lvs.Protocol(k.Protocol), Port: fromPort(k.Port)}
}

// place is where a scope's limits and buckets are; see struct vip in bpf/guard.h.
func place(scope uint32) uint32 { return scope & 0xffff }

// newScope is a scope at a place, with bits that no scope before it had there: to
// one in 65536.
func newScope(place uint32) uint32 { return place | rand.Uint32()<<16 }

// table is which VIPs and ports the kernel has, with their numbers.
type table struct {
	vips  map[netip.Addr]guardVip
	ports map[guardPortKey]uint32 // scopes
}

func (g *Guard) table() (table, error) {
	t := table{vips: map[netip.Addr]guardVip{}, ports: map[guardPortKey]uint32{}}
	v4, err4 := dump[uint32, guardVip](g.objects.Vips4)
	v6, err6 := dump[guardAddress, guardVip](g.objects.Vips6)
	ports, errPorts := dump[guardPortKey, guardPort](g.objects.Ports)
	for a, v := range v4 {
		t.vips[fromWord(a)] = v
	}
	for a, v := range v6 {
		t.vips[fromAddress(a)] = v
	}
	for k, p := range ports {
		t.ports[k] = p.Scope
	}
	return t, errors.Join(err4, err6, errPorts)
}

// places are those of the VIPs' and ports' entries in the arrays.
func (t table) places() []uint32 {
	var all []uint32
	for _, v := range t.vips {
		all = append(all, v.Id)
	}
	for _, scope := range t.ports {
		all = append(all, place(scope))
	}
	return all
}

// portsOf gives the ports of a VIP with their scopes.
func (t table) portsOf(vip uint32) map[lvs.GuardPort]uint32 {
	ports := map[lvs.GuardPort]uint32{}
	for k, scope := range t.ports {
		if k.Vip == vip {
			ports[fromKey(k)] = scope
		}
	}
	return ports
}

// vips reads the VIPs under guard with their ports and limits.
func (g *Guard) vips() (map[netip.Addr]lvs.GuardVIP, error) {
	t, err := g.table()
	if err != nil {
		return nil, err
	}
	limits, err := readAt[guardLimits](g.objects.Scopes, t.places())
	if err != nil {
		return nil, err
	}
	all := map[netip.Addr]lvs.GuardVIP{}
	byID := map[uint32]lvs.GuardVIP{}
	for addr, v := range t.vips {
		vip := lvs.GuardVIP{Shared: v.Flags&vipShared != 0, Limits: fromLimits(limits[v.Id]), Ports: map[lvs.GuardPort]lvs.GuardLimits{}}
		all[addr], byID[v.Id] = vip, vip
	}
	for k, scope := range t.ports {
		if vip, ok := byID[k.Vip]; ok { // else of a VIP that was not made to its end
			vip.Ports[fromKey(k)] = fromLimits(limits[place(scope)])
		}
	}
	return all, nil
}

// setVIP brings a VIP to what is wanted. What a packet needs is there before
// what leads to it: limits, then ports, then the VIP; and the other way when it
// goes. A packet in between finds a port that is closed a little longer or open
// a little longer, and never one that stays open closed.
func (g *Guard) setVIP(addr netip.Addr, want lvs.GuardVIP) error {
	t, err := g.table()
	if err != nil {
		return err
	}
	vip, known := t.vips[addr]
	if !known {
		if vip.Id, err = t.freeVIP(); err != nil {
			return err
		}
		// What a VIP left that was not deleted to its end would be taken for this one's.
		if err := g.forget(vip.Id, t.portsOf(vip.Id)); err != nil {
			return err
		}
		t.drop(vip.Id)
		vip.Scope = newScope(vip.Id)
	}
	have := t.portsOf(vip.Id)
	if err := g.addPorts(t, vip.Id, want, have); err != nil {
		return err
	}
	vip.Flags = flags(want)
	if err := g.putVIP(addr, vip); err != nil {
		return err
	}
	return g.deletePorts(vip.Id, have, want.Ports)
}

func flags(v lvs.GuardVIP) (flags uint32) {
	if v.Shared {
		flags |= vipShared
	}
	for p := range v.Ports {
		if p.Port == 0 {
			flags |= vipWildcards
		}
	}
	return flags
}

// freeVIP gives a number that no VIP has.
func (t table) freeVIP() (uint32, error) {
	used := map[uint32]bool{}
	for _, v := range t.vips {
		used[v.Id] = true
	}
	for id := uint32(1); id <= MaxVIPs; id++ {
		if !used[id] {
			return id, nil
		}
	}
	return 0, fmt.Errorf("there are %d VIPs already, as many as one guard holds", MaxVIPs)
}

// freeScopes gives n scopes that no port has.
func (t table) freeScopes(n int) ([]uint32, error) {
	used := map[uint32]bool{}
	for _, scope := range t.ports {
		used[place(scope)] = true
	}
	if len(used)+n > MaxPorts {
		return nil, fmt.Errorf("there are %d ports already, and one guard holds %d of all VIPs together", len(used), MaxPorts)
	}
	var free []uint32
	for at := uint32(firstScope); len(free) < n; at++ {
		if !used[at] {
			free = append(free, newScope(at))
		}
	}
	return free, nil
}

// drop forgets the ports of a VIP.
func (t table) drop(vip uint32) {
	for k := range t.ports {
		if k.Vip == vip {
			delete(t.ports, k)
		}
	}
}

// addPorts writes the limits of the VIP and of all wanted ports, and those ports
// that are new.
func (g *Guard) addPorts(t table, vip uint32, want lvs.GuardVIP, have map[lvs.GuardPort]uint32) error {
	var fresh []lvs.GuardPort
	places, limits := []uint32{vip}, []guardLimits{toLimits(want.Limits)}
	for p, l := range want.Ports {
		scope, ok := have[p]
		if !ok {
			fresh = append(fresh, p)
			continue
		}
		places, limits = append(places, place(scope)), append(limits, toLimits(l))
	}
	free, err := t.freeScopes(len(fresh))
	if err != nil {
		return err
	}
	var keys []guardPortKey
	var values []guardPort
	var cleared []uint32
	for i, p := range fresh {
		cleared = append(cleared, place(free[i]))
		places, limits = append(places, place(free[i])), append(limits, toLimits(want.Ports[p]))
		keys, values = append(keys, toKey(vip, p)), append(values, guardPort{Scope: free[i]})
	}
	if err := putAll(g.objects.Meters, cleared, make([]guardBuckets, len(cleared))); err != nil {
		return err
	}
	if err := putAll(g.objects.Scopes, places, limits); err != nil {
		return err
	}
	return putAll(g.objects.Ports, keys, values)
}

func (g *Guard) deletePorts(vip uint32, have map[lvs.GuardPort]uint32, want map[lvs.GuardPort]lvs.GuardLimits) error {
	var keys []guardPortKey
	for p := range have {
		if _, ok := want[p]; !ok {
			keys = append(keys, toKey(vip, p))
		}
	}
	return deleteAll(g.objects.Ports, keys)
}

// forget clears what is kept under a VIP's number.
func (g *Guard) forget(vip uint32, ports map[lvs.GuardPort]uint32) error {
	if err := g.deletePorts(vip, ports, nil); err != nil {
		return err
	}
	if err := g.objects.Meters.Put(vip, &guardBuckets{}); err != nil {
		return fmt.Errorf("clear the buckets: %w", err)
	}
	tallies := make([]guardTally, ebpf.MustPossibleCPU())
	if err := g.objects.Tallies.Put(vip, tallies); err != nil {
		return fmt.Errorf("clear the counters: %w", err)
	}
	return nil
}

func (g *Guard) putVIP(addr netip.Addr, vip guardVip) error {
	var err error
	if addr.Is4() {
		if err := g.mark(addr); err != nil {
			return err
		}
		err = g.objects.Vips4.Put(toWord(addr), &vip)
	} else {
		key := toAddress(addr)
		err = g.objects.Vips6.Put(&key, &vip)
	}
	if err != nil {
		return fmt.Errorf("write the VIP: %w", err)
	}
	return nil
}

// deleteVIP lets a VIP's packets pass. One that is not there is no error.
func (g *Guard) deleteVIP(addr netip.Addr) error {
	t, err := g.table()
	if err != nil {
		return err
	}
	vip, ok := t.vips[addr]
	if !ok {
		return nil
	}
	if addr.Is4() {
		err = deleteAll(g.objects.Vips4, []uint32{toWord(addr)})
	} else {
		err = deleteAll(g.objects.Vips6, []guardAddress{toAddress(addr)})
	}
	if err != nil {
		return err
	}
	return g.deletePorts(vip.Id, t.portsOf(vip.Id), nil)
}
