package vrrp

import "time"

// Group is machines that move together: all are active, or none is. A machine
// on its own is a group of one. It is pure, like the machines.
type Group struct {
	machines []*Machine
	faults   []string // each member's own
}

// NewGroup gives a group of one machine for each of the settings.
func NewGroup(settings ...Settings) *Group {
	g := &Group{faults: make([]string, len(settings))}
	for _, s := range settings {
		g.machines = append(g.machines, NewMachine(s))
	}
	return g
}

// Machine is a member.
func (g *Group) Machine(i int) *Machine { return g.machines[i] }

// Deadline is when Expire is due; zero for never.
func (g *Group) Deadline() time.Time {
	var first time.Time
	for _, m := range g.machines {
		if t := m.Deadline(); first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// Done tells whether all members are.
func (g *Group) Done() bool {
	for _, m := range g.machines {
		if !m.Done() {
			return false
		}
	}
	return true
}

// Each gives an input to every member, in order, and lets the others follow
// what it causes. The outputs are those of the members.
func (g *Group) Each(now time.Time, input func(*Machine) Output) []Output {
	outs := make([]Output, len(g.machines))
	for i := range g.machines {
		g.one(outs, now, i, input)
	}
	return outs
}

// One gives an input to one member.
func (g *Group) One(now time.Time, i int, input func(*Machine) Output) []Output {
	outs := make([]Output, len(g.machines))
	g.one(outs, now, i, input)
	return outs
}

// Expire does what has become due. A member that hears nobody waits for those that
// hear an active router and accept it: it would draw them along, they would meet that
// router and come back, and so on for as long as the one network is cut.
func (g *Group) Expire(now time.Time) []Output {
	return g.Each(now, func(m *Machine) Output {
		for _, other := range g.machines {
			m.wait(now, other.content())
		}
		return m.Expire(now)
	})
}

func (g *Group) one(outs []Output, now time.Time, i int, input func(*Machine) Output) {
	before := g.machines[i].state
	outs[i].add(input(g.machines[i]))
	after := g.machines[i].state
	if before == after || after != Active && after != Backup {
		return
	}
	for j, m := range g.machines {
		if j != i {
			outs[j].add(m.Force(now, after))
			// What was handed over by hand, none of them takes back.
			m.yielded = g.machines[i].yielded
		}
	}
}

// SetFault faults a member or ends its fault. The group is at fault as long as
// a member is.
func (g *Group) SetFault(now time.Time, i int, why string) []Output {
	g.faults[i] = why
	combined := ""
	for _, f := range g.faults {
		if combined == "" {
			combined = f
		}
	}
	outs := make([]Output, len(g.machines))
	for j, m := range g.machines {
		outs[j] = m.SetFault(now, combined)
	}
	return outs
}

func (o *Output) add(more Output) {
	o.Adverts = append(o.Adverts, more.Adverts...)
	o.Events = append(o.Events, more.Events...)
}
