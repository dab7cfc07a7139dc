package vrrp

import (
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Status is an instance at one moment.
type Status struct {
	Name     string
	State    State
	Since    time.Time
	Role     lvs.Role
	VRID     uint8
	Priority uint8 // in force
	Fault    string
	Peer     Peer
	Sent     uint64 // adverts
	Heard    uint64 // adverts that were believed
}

// publish puts the statuses where others find them, and tells whether a role or
// a state has changed.
func (r *Router) publish() bool {
	now := make([]Status, len(r.instances))
	for i, m := range r.group.machines {
		now[i] = Status{
			Name:     r.instances[i].Name,
			State:    m.state,
			Since:    m.since,
			Role:     m.Role(),
			VRID:     m.settings.VRID,
			Priority: m.priority,
			Fault:    m.fault,
			Peer:     m.peer,
			Sent:     r.members[i].sent,
			Heard:    r.members[i].heard,
		}
	}
	before := r.statuses.Swap(&now)
	return before == nil || !slices.EqualFunc(*before, now, func(a, b Status) bool {
		return a.State == b.State && a.Role == b.Role && a.Fault == b.Fault
	})
}

// Statuses are the instances now.
func (r *Router) Statuses() []Status { return *r.statuses.Load() }

// Refused counts the packets of an instance that were not believed, by reason.
func (r *Router) Refused(i int) map[Reason]uint64 {
	counts := map[Reason]uint64{}
	for reason := range r.members[i].refused {
		if n := r.members[i].refused[reason].Load(); n > 0 {
			counts[Reason(reason)] = n
		}
	}
	return counts
}

// Late is the longest time by which a timer was late since the start.
func (r *Router) Late() time.Duration { return time.Duration(r.late.Load()) }
