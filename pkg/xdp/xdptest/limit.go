package xdptest

import (
	"net/netip"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// find gives the port of a VIP that fits best.
func find(v lvs.GuardVIP, protocol uint8, port uint16) (lvs.GuardPort, bool) {
	for _, p := range []lvs.GuardPort{{Protocol: lvs.Protocol(protocol), Port: port}, {Protocol: lvs.Protocol(protocol)}, {}} {
		if _, ok := v.Ports[p]; ok {
			return p, true
		}
	}
	return lvs.GuardPort{}, false
}

// bucketKey names a bucket: of a VIP or one of its ports, for a source or for
// all.
type bucketKey struct {
	vip    netip.Addr
	scoped bool
	port   lvs.GuardPort
	source netip.Prefix
	what   lvs.GuardReason // the one that an empty bucket gives
}

type bucket struct {
	key  bucketKey
	rate lvs.Rate
}

// bucketsOf are those that a packet takes a token of, in the order in which they
// are asked.
func (p *packet) bucketsOf() []bucket {
	limits := p.vip.Limits
	if p.scoped {
		limits = p.vip.Ports[p.port]
	}
	bits := 32
	if p.source.Is6() {
		bits = 64
	}
	source, _ := p.source.Prefix(bits) // the length is right
	var all []bucket
	add := func(applies bool, what lvs.GuardReason, of netip.Prefix, r lvs.Rate) {
		if applies && r.PerSecond > 0 {
			all = append(all, bucket{bucketKey{p.target, p.scoped, p.port, of, what}, r})
		}
	}
	add(p.syn, lvs.GuardSourceSYNs, source, limits.SourceSYNs)
	add(true, lvs.GuardSourcePackets, source, limits.SourcePackets)
	add(p.syn, lvs.GuardSYNs, netip.Prefix{}, limits.SYNs)
	add(true, lvs.GuardPackets, netip.Prefix{}, limits.Packets)
	add(p.fragment, lvs.GuardFragments, netip.Prefix{}, limits.Fragments)
	return all
}

func cost(r lvs.Rate) uint64 { return max(1, 1_000_000_000/uint64(r.PerSecond)) }

// limits gives the reason of the first bucket that is empty.
func (g *Guard) limits(p *packet, now uint64) lvs.GuardReason {
	for _, b := range p.bucketsOf() {
		depth := uint64(max(b.rate.Burst, 1)-1) * cost(b.rate)
		if g.buckets[b.key] > now+depth {
			return b.key.what
		}
	}
	return lvs.GuardPassed
}

// charge takes a token of each.
func (g *Guard) charge(p *packet, now uint64) {
	for _, b := range p.bucketsOf() {
		g.buckets[b.key] = max(g.buckets[b.key], now) + cost(b.rate)
	}
}
