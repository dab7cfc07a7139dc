package notify

import (
	"maps"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// problems are the events whose problems last.
type problems map[notice.Subject]notice.Event

// news takes an event and tells whether it is one for people. What they know
// already is not: the same problem again, flapping that goes on, the end of a
// problem that never was. An event that ends a problem learns when it began.
func (p problems) news(e *notice.Event) bool {
	subject := e.Subject()
	old, known := p[subject]
	switch {
	case e.Kind.Begins():
		p[subject] = *e
		return !known || old.Kind != e.Kind || old.Cause != e.Cause && e.Kind != notice.ServerFlapping
	case e.Kind.Ends():
		delete(p, subject)
		if known && e.Since.IsZero() {
			e.Since = old.Time
		}
		return known
	}
	return true
}

// reminder is a problem that a receiver was told of.
type reminder struct {
	event notice.Event
	told  time.Time
}

// reminders are the problems that a receiver wants to be told of again.
type reminders map[notice.Subject]reminder

// due gives the problems to tell of again now, the oldest first, and when the
// next one is.
func (r reminders) due(now time.Time, repeat time.Duration) ([]notice.Event, time.Time) {
	var due []notice.Event
	var next time.Time
	for subject, one := range r {
		at := one.told.Add(repeat)
		if !at.After(now) {
			again := one.event
			again.Reminder = true
			due = append(due, again)
			r[subject] = reminder{one.event, now}
			at = now.Add(repeat)
		}
		next = earliest(next, at)
	}
	slices.SortFunc(due, compare)
	return due, next
}

func newReminders(from problems, told time.Time) reminders {
	r := reminders{}
	for subject, e := range maps.All(from) {
		r[subject] = reminder{e, told}
	}
	return r
}

func compare(a, b notice.Event) int {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c
	}
	return slices.Compare([]string{a.Virtual, a.Real, a.Address, a.Instance}, []string{b.Virtual, b.Real, b.Address, b.Instance})
}

// earliest is the earlier of two times, of which a zero one is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
