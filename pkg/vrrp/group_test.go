package vrrp

import (
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// pair is two groups of two instances on a wire without delay and loss. An instance
// hears that of the same index, unless its network is cut.
type pair struct {
	t      *testing.T
	now    time.Time
	groups [2]*Group
	cut    [2]bool // by instance
	flips  int     // changes of a state
}

func newPair(t *testing.T, one, two []Settings) *pair {
	p := &pair{t: t, now: epoch, groups: [2]*Group{NewGroup(one...), NewGroup(two...)}}
	for i, g := range p.groups {
		p.carry(i, g.Each(p.now, func(m *Machine) Output { return m.Start(p.now) }))
	}
	return p
}

func (p *pair) carry(from int, outs []Output) {
	for i, out := range outs {
		for _, e := range out.Events {
			if e.Kind == Changed {
				p.flips++
			}
		}
		for _, priority := range out.Adverts {
			if p.cut[i] {
				continue
			}
			h := Heard{Advert: p.groups[from].Machine(i).settings.Advert(priority), Source: address(from), Local: address(1 - from)}
			to := p.groups[1-from]
			p.carry(1-from, to.One(p.now, i, func(m *Machine) Output { return m.Receive(p.now, h) }))
		}
	}
}

func (p *pair) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(time.Millisecond) {
		for i, g := range p.groups {
			if t := g.Deadline(); !t.IsZero() && !t.After(p.now) {
				p.carry(i, g.Expire(p.now))
			}
		}
	}
}

func (p *pair) want(when string, one, two State) {
	p.t.Helper()
	for i, want := range []State{one, two} {
		for j, m := range p.groups[i].machines {
			if m.state != want {
				p.t.Errorf("%s: instance %d of director %d is %s, want %s", when, j, i, m.state, want)
			}
		}
	}
}

func twice(priority uint8, change ...func(*Settings)) []Settings {
	other := settings(priority, change...)
	other.VRID++
	return []Settings{settings(priority, change...), other}
}

// No member of a group takes back what was handed over by hand.
func TestGroupYields(t *testing.T) {
	p := newPair(t, twice(200), twice(100))
	p.run(10 * time.Second)
	p.want("at the start", Active, Backup)
	p.carry(0, p.groups[0].Each(p.now, func(m *Machine) Output { return m.Yield(p.now) }))
	p.run(20 * time.Second)
	p.want("after the hand-over", Backup, Active)
}

// Who was active before an upgrade goes on, whichever of its instances says so.
func TestGroupResumes(t *testing.T) {
	for i := range 2 {
		s := twice(100)
		s[i].Resume = true
		g := NewGroup(s...)
		for j, out := range g.Each(epoch, func(m *Machine) Output { return m.Start(epoch) }) {
			for _, priority := range out.Adverts {
				if priority == Released {
					t.Errorf("resumed by instance %d, instance %d gives up", i, j)
				}
			}
			if m := g.Machine(j); m.state != Active || m.Role() != lvs.Active {
				t.Errorf("resumed by instance %d, instance %d is %s", i, j, m.state)
			}
		}
	}
}

// A group whose one network is cut does not move back and forth while its other
// members hear somebody who comes first.
func TestGroupWithANetworkCut(t *testing.T) {
	p := newPair(t, twice(200), twice(100))
	p.run(10 * time.Second)
	p.want("at the start", Active, Backup)
	p.cut[1], p.flips = true, 0
	p.run(60 * time.Second)
	p.want("with a network cut", Active, Backup)
	if p.flips > 0 {
		t.Errorf("%d changes of state in a minute", p.flips)
	}
	p.carry(0, p.groups[0].SetFault(p.now, 1, "eth1 is down"))
	p.run(time.Second)
	p.want("given up where it is heard", Fault, Active)
	p.carry(0, p.groups[0].SetFault(p.now, 1, ""))
	p.cut[1] = false
	p.run(10 * time.Second)
	p.want("mended", Active, Backup)
	p.cut[0], p.cut[1] = true, true
	p.run(10 * time.Second)
	p.want("with both cut", Active, Active)
}
