// Package xdptest is a guard without a kernel: it takes the same changes as
// pkg/xdp, and judges packets by the same rules, written down once more in plain
// Go. A test of pkg/xdp holds the two against each other.
package xdptest

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Guard is the fake. The zero value is not ready: see New.
type Guard struct {
	state    lvs.Guard
	buckets  map[bucketKey]uint64
	counters map[counterKey]uint64

	// Absent are interfaces that do not exist; all others do.
	Absent map[string]bool
}

type counterKey struct {
	vip     netip.Addr
	reason  lvs.GuardReason
	dropped bool
}

// New gives a guard that holds nothing.
func New() *Guard {
	return &Guard{
		state:    lvs.Guard{Interfaces: map[string]lvs.GuardLink{}, VIPs: map[netip.Addr]lvs.GuardVIP{}},
		buckets:  map[bucketKey]uint64{},
		counters: map[counterKey]uint64{},
	}
}

// Observe gives what the guard holds.
func (g *Guard) Observe(lvs.Guard) (lvs.Guard, error) {
	have := g.state
	have.Interfaces = maps.Clone(g.state.Interfaces)
	have.VIPs = map[netip.Addr]lvs.GuardVIP{}
	for addr, v := range g.state.VIPs {
		v.Ports = maps.Clone(v.Ports)
		have.VIPs[addr] = v
	}
	return have, nil
}

// Apply makes one change, with the errors of the kernel.
func (g *Guard) Apply(c lvs.GuardChange) error {
	if err := g.apply(c); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

func (g *Guard) apply(c lvs.GuardChange) error {
	switch c := c.(type) {
	case lvs.GuardAttach:
		return g.attach(c)
	case lvs.GuardSet:
		g.state.GuardSettings = c.Settings
	case lvs.GuardVIPChange:
		g.setVIP(c)
	case lvs.GuardPrefixes:
		if c.List == lvs.AllowList {
			g.state.Allow = c.Prefixes
		} else {
			g.state.Block = c.Prefixes
		}
	default:
		return errors.New("no such change")
	}
	return nil
}

func (g *Guard) attach(c lvs.GuardAttach) error {
	_, attached := g.state.Interfaces[c.Interface]
	switch {
	case c.Verb == lvs.Delete:
		delete(g.state.Interfaces, c.Interface)
		return nil
	case g.Absent[c.Interface]:
		return errors.New("find the interface: no such network interface")
	case c.Verb == lvs.Add && attached:
		return fmt.Errorf("the guard is attached already: %w", fs.ErrExist)
	case c.Verb == lvs.Set && !attached:
		return fmt.Errorf("open the pinned link: %w", fs.ErrNotExist)
	}
	link := lvs.GuardLink{Mode: c.Link.Mode}
	if link.Mode == lvs.GuardAuto {
		link.Mode = lvs.GuardDriver
	}
	g.state.Interfaces[c.Interface] = link
	return nil
}

// setVIP keeps the buckets of ports that stay.
func (g *Guard) setVIP(c lvs.GuardVIPChange) {
	old, known := g.state.VIPs[c.Addr]
	maps.DeleteFunc(g.buckets, func(k bucketKey, _ uint64) bool {
		_, had := old.Ports[k.port]
		_, has := c.VIP.Ports[k.port]
		return k.vip == c.Addr && (!known || c.Verb == lvs.Delete || k.scoped && !(had && has))
	})
	if c.Verb == lvs.Delete {
		delete(g.state.VIPs, c.Addr)
		return
	}
	if !known {
		maps.DeleteFunc(g.counters, func(k counterKey, _ uint64) bool { return k.vip == c.Addr })
	}
	c.VIP.Ports = maps.Clone(c.VIP.Ports)
	if c.VIP.Ports == nil {
		c.VIP.Ports = map[lvs.GuardPort]lvs.GuardLimits{}
	}
	g.state.VIPs[c.Addr] = c.VIP
}

// Counters gives what was decided.
func (g *Guard) Counters() []lvs.GuardCount {
	var all []lvs.GuardCount
	for _, addr := range slices.SortedFunc(maps.Keys(g.state.VIPs), netip.Addr.Compare) {
		for r := range lvs.GuardReasons {
			c := lvs.GuardCount{
				VIP: addr, Reason: r,
				Passed: g.counters[counterKey{addr, r, false}], Dropped: g.counters[counterKey{addr, r, true}],
			}
			if c.Passed+c.Dropped > 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// Test says what the guard would do with a frame at a time in nanoseconds.
func (g *Guard) Test(frame []byte, now uint64) lvs.GuardVerdict {
	p := g.parse(frame)
	return g.verdict(g.judge(&p, now))
}

// Receive does it: it takes tokens and counts.
func (g *Guard) Receive(frame []byte, now uint64) lvs.GuardVerdict {
	p := g.parse(frame)
	v := g.verdict(g.judge(&p, now))
	if v.Reason == lvs.GuardNotVIP {
		return v
	}
	if v.Reason == lvs.GuardPassed {
		g.charge(&p, now)
	}
	g.counters[counterKey{p.target, v.Reason, v.Dropped}]++
	return v
}

func (g *Guard) verdict(r lvs.GuardReason) lvs.GuardVerdict {
	return lvs.GuardVerdict{Reason: r, Dropped: r.Drops() && g.state.Enforce}
}
