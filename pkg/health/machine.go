package health

import (
	"fmt"
	"time"
)

// State is what is known of a check or a server.
type State uint8

// The states. A server is Unknown until its checks have spoken for the first
// time; whoever forwards to it meanwhile leaves it as it was.
const (
	Unknown State = iota
	Up
	Down
)

func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Up:
		return "up"
	case Down:
		return "down"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the state as String does.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *State) UnmarshalText(text []byte) error {
	for _, state := range []State{Unknown, Up, Down} {
		if state.String() == string(text) {
			*s = state
			return nil
		}
	}
	return fmt.Errorf("unknown state %q: expected unknown, up or down", text)
}

// A check flaps when it changed its state flapChanges times within flapWindow.
// It has settled when no more than flapSettled of these changes are left there.
const (
	flapChanges = 5
	flapSettled = 1
	flapWindow  = 10 * time.Minute
)

// machine is the state of one check; step is its only transition. It is plain
// data and reads no clock.
type machine struct {
	state    State
	since    time.Time              // of state
	streak   int                    // results in a row that speak against state
	changes  [flapChanges]time.Time // latest changes between up and down, the newest first
	flapping bool
}

// change is what a step of a machine has to tell.
type change struct {
	state    bool // state is another one than before
	flapping bool // flapping is another one than before
}

// step takes one result. The first success ends Unknown at once, because it is
// all the evidence there is; to leave Up takes fall failures in a row, to leave
// Down rise successes, and to go from Unknown to Down fall failures.
func (m machine) step(t Timing, ok bool, at time.Time) (machine, change) {
	if m.agrees(ok) {
		m.streak = 0
		return m.judgeFlapping(at, change{})
	}
	m.streak++
	if m.streak < m.needed(t, ok) {
		return m.judgeFlapping(at, change{})
	}
	if m.state != Unknown {
		copy(m.changes[1:], m.changes[:])
		m.changes[0] = at
	}
	m.state, m.since, m.streak = stateOf(ok), at, 0
	return m.judgeFlapping(at, change{state: true})
}

func stateOf(ok bool) State {
	if ok {
		return Up
	}
	return Down
}

// agrees tells whether a result says what the state says. To Unknown a failure
// speaks against it, and so does a success.
func (m machine) agrees(ok bool) bool { return m.state == stateOf(ok) }

// needed is how many results in a row, all ok or all not, change the state.
func (m machine) needed(t Timing, ok bool) int {
	switch {
	case !ok:
		return t.Fall
	case m.state == Unknown:
		return 1
	}
	return t.Rise
}

// changing tells whether the state is in doubt, so that the next result is
// wanted soon.
func (m machine) changing() bool { return m.state == Unknown || m.streak > 0 }

func (m machine) judgeFlapping(at time.Time, c change) (machine, change) {
	recent := 0
	for _, changed := range m.changes {
		if !changed.IsZero() && at.Sub(changed) < flapWindow {
			recent++
		}
	}
	before := m.flapping
	switch {
	case recent == flapChanges:
		m.flapping = true
	case recent <= flapSettled:
		m.flapping = false
	}
	c.flapping = m.flapping != before
	return m, c
}
