package health

import "time"

// Event is something about a check that people may want to know.
type Event struct {
	At    time.Time
	Check Key
	Name  string
	What  What
	From  State  // before
	State State  // now
	Error string // of the last probe, "" after a success
	Lost  int    // events that were lost before this one, because nobody read them
}

// What is the kind of an event.
type What uint8

// The kinds of events.
const (
	Changed  What = iota + 1 // another state; not told while the check flaps
	Flapping                 // the state changes too often to tell each change
	Settled                  // flapping has ended
)

// tell logs a change and queues the event. The caller holds the mutex.
func (c *Checker) tell(e *entry, from State, changed change, now time.Time) {
	event := Event{At: now, Check: e.Key, Name: e.Name, From: from, State: e.machine.state, Error: e.last.Error}
	switch {
	case changed.flapping && e.machine.flapping:
		event.What = Flapping
		c.log.Warn("check flaps", "check", e.Name, "state", event.State)
	case changed.flapping:
		event.What = Settled
		c.log.Info("check has settled", "check", e.Name, "state", event.State)
	case changed.state && !e.machine.flapping:
		event.What = Changed
		c.log.Info("check changed state", "check", e.Name, "from", from, "state", event.State, "err", event.Error)
	default:
		return
	}
	c.queue(event)
}

func (c *Checker) queue(event Event) {
	event.Lost = c.lost
	select {
	case c.events <- event:
		c.lost = 0
	default:
		c.lost++
	}
}
