package vrrp

import "time"

// splitAdverts is how many adverts of lower precedence an active machine hears
// before it calls them a split brain: one may have been under way when it took
// over.
const splitAdverts = 2

// Receive is an advert that Verify has passed.
func (m *Machine) Receive(now time.Time, h Heard) Output {
	var out Output
	switch m.state {
	case Backup:
		m.remember(&out, now, h)
		m.backup(now, h)
	case Active:
		m.remember(&out, now, h)
		m.active(&out, now, h)
	}
	return out
}

// remember keeps who was heard, and tells of a difference that only a person
// can resolve (RFC 9568 section 7.1).
func (m *Machine) remember(out *Output, now time.Time, h Heard) {
	m.peer = Peer{Address: h.Source, Priority: h.Priority, Time: now}
	differ := !same(h.Addresses, m.settings.Addresses)
	if differ && !m.differ {
		out.Events = append(out.Events, Event{Time: now, Kind: Differ, Source: h.Source, Why: "advertises other addresses"})
	}
	m.differ = differ
}

// backup is an advert in the state Backup (RFC 9568 section 6.4.2).
func (m *Machine) backup(now time.Time, h Heard) {
	m.decided, m.follows = true, false
	if h.Priority == Released {
		m.warn = time.Time{}
		m.down = now.Add(m.skew())
		return
	}
	if h.Priority < m.priority && m.preempts(now) {
		// The initial dead time is about silence, and this is none.
		if dead := now.Add(m.Dead()); dead.Before(m.down) {
			m.down = dead
		}
		return
	}
	if h.Priority >= m.priority {
		m.delay = time.Time{} // nobody to preempt: the next one is heard for the first time
	}
	m.follow(now, h)
}

// preempts tells whether a router of lower priority is not accepted, from the
// end of the delay on that begins with its first advert.
func (m *Machine) preempts(now time.Time) bool {
	wants := m.settings.Preempt || m.priority == Owner // RFC 9568 section 6.1, Preempt_Mode
	if !wants || m.yielded || m.stopping {
		return false
	}
	if m.delay.IsZero() {
		m.delay = now.Add(m.settings.PreemptDelay)
	}
	return !now.Before(m.delay)
}

// follow accepts the sender as the active router.
func (m *Machine) follow(now time.Time, h Heard) {
	m.interval, m.follows = h.Interval, true
	m.down = now.Add(m.Dead())
	m.warn = time.Time{}
	if m.settings.Warn > 0 {
		m.warn = now.Add(m.settings.Warn)
	}
	if m.serving && m.linger.IsZero() {
		m.linger = now.Add(min(max(h.Interval, leastOverlap), mostOverlap))
	}
}

// active is an advert in the state Active (RFC 9568 section 6.4.3).
func (m *Machine) active(out *Output, now time.Time, h Heard) {
	switch {
	case h.Priority == Released:
		m.send(out, now)
	case h.Priority == m.priority && !m.tie.decides(now, h, m.Dead()):
		m.splitBrain(out, now, h) // and no answer, for that would be answered
	case h.Priority > m.priority, h.Priority == m.priority && h.Source.Compare(h.Local) > 0:
		m.advert, m.delay = time.Time{}, time.Time{}
		m.follow(now, h)
		m.enter(out, now, Backup, h.Source, "a router of higher precedence is active")
	default:
		// RFC 9568 has the advert answered at once, so that the sender and the bridges
		// learn who is active; RFC 3768 only discards it.
		if m.settings.Version == V3 {
			m.send(out, now)
		}
		m.splitBrain(out, now, h)
	}
}

func (m *Machine) splitBrain(out *Output, now time.Time, h Heard) {
	if now.Sub(m.splitAt) > m.Dead() {
		m.heal(out, now, "it had ended")
	}
	m.split++
	m.splitAt = now
	switch m.split {
	case 1:
		out.Events = append(out.Events, Event{Time: now, Kind: Rival, Source: h.Source, Why: "an advert of lower precedence"})
	case splitAdverts:
		out.Events = append(out.Events, Event{Time: now, Kind: SplitBrain, Source: h.Source,
			Why: "a router of lower precedence is active too"})
	}
}

// heal ends a split brain that was told.
func (m *Machine) heal(out *Output, now time.Time, why string) {
	if m.split >= splitAdverts {
		out.Events = append(out.Events, Event{Time: now, Kind: Healed, Why: why})
	}
	m.split = 0
}
