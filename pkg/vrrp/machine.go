package vrrp

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// The overlap is for how long a router that hands over goes on serving after
// its successor's first advert: an interval, within these bounds. By then the
// successor has the addresses and has told the neighbours, so that no packet
// meets a host without them.
const (
	leastOverlap = 50 * time.Millisecond
	mostOverlap  = 250 * time.Millisecond
)

// Machine is the state machine of one virtual router (RFC 9568 section 6). It
// does no I/O and reads no clock: every input comes with the time, and Deadline
// says when the next Expire is due.
//
// It goes beyond the RFC in what it means to serve: who leaves the active state
// in favour of another router serves until that one has taken over.
type Machine struct {
	settings Settings
	priority uint8 // the one in force
	state    State
	since    time.Time
	fault    string // why the machine is in Fault, or ""
	decided  bool   // something has been heard or done since the start
	serving  bool
	stopping bool
	yielded  bool // gave up by hand: does not preempt who took over
	follows  bool // the active router that was heard last is accepted
	differ   bool // Differ was told
	split    int  // adverts of lower precedence heard while active, without a pause
	splitAt  time.Time
	tie      tie // with those that are active beside us
	peer     Peer

	interval time.Duration // of the active router (RFC 9568 section 6.1, Active_Adver_Interval)

	// The timers; zero does not run.
	down   time.Time // Active_Down_Timer
	advert time.Time // Adver_Timer
	warn   time.Time // silence to be told
	linger time.Time // end of the overlap
	delay  time.Time // end of the preempt delay; not waited for
}

// Peer is the router that was heard last.
type Peer struct {
	Address  netip.Addr // zero if none was heard
	Priority uint8
	Time     time.Time
}

// NewMachine gives a machine in Initialize.
func NewMachine(s Settings) *Machine {
	return &Machine{settings: s, priority: s.Priority, interval: s.Interval}
}

// State is the state and when it was entered.
func (m *Machine) State() (State, time.Time) { return m.state, m.since }

// Priority is the priority in force.
func (m *Machine) Priority() uint8 { return m.priority }

// Peer is the router that was heard last.
func (m *Machine) Peer() Peer { return m.peer }

// Faulted is why the machine is in Fault, or "".
func (m *Machine) Faulted() string { return m.fault }

// Role is what the addresses follow.
func (m *Machine) Role() lvs.Role {
	switch {
	case m.serving:
		return lvs.Active
	case m.state == Fault:
		return lvs.Faulty
	case !m.decided:
		return lvs.Undecided
	}
	return lvs.Standby
}

// Done tells whether a machine that was shut down has nothing left to wait for.
func (m *Machine) Done() bool { return m.stopping && m.state == Initialize && !m.serving }

// skew makes the backup of highest priority the first to take over: Skew_Time
// (RFC 9568 section 6.1, RFC 3768 section 6.1).
func (m *Machine) skew() time.Duration {
	unit := m.interval
	if m.settings.Version == V2 {
		unit = time.Second
	}
	return unit * time.Duration(256-int(m.priority)) / 256
}

// Dead is the silence after which the active router is taken for dead:
// Active_Down_Interval (RFC 9568 section 6.1).
func (m *Machine) Dead() time.Duration { return 3*m.interval + m.skew() }

// Deadline is when Expire is due; zero for never.
func (m *Machine) Deadline() time.Time {
	var first time.Time
	for _, t := range []time.Time{m.down, m.advert, m.warn, m.linger} {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// Start is the Startup event (RFC 9568 section 6.4.1).
func (m *Machine) Start(now time.Time) Output {
	var out Output
	m.stopping = false
	if m.state == Active { // follows a member of its group that started before it
		return out
	}
	if m.fault != "" {
		m.enter(&out, now, Fault, netip.Addr{}, m.fault)
		return out
	}
	if m.priority == Owner {
		m.activate(&out, now, "owner of the addresses")
		return out
	}
	if m.settings.Resume {
		m.activate(&out, now, "goes on after an upgrade")
		return out
	}
	m.listen(&out, now, "start")
	if initial := now.Add(m.settings.InitialDead); initial.After(m.down) {
		m.down = initial
	}
	return out
}

// listen makes the machine a backup that has heard nothing yet.
func (m *Machine) listen(out *Output, now time.Time, why string) {
	m.interval, m.follows = m.settings.Interval, false
	m.advert, m.delay = time.Time{}, time.Time{}
	m.down = now.Add(m.Dead())
	m.enter(out, now, Backup, netip.Addr{}, why)
}

// Shutdown is the Shutdown event (RFC 9568 sections 6.4.2 and 6.4.3). An active
// machine serves until its successor has taken over, or until nobody did within
// the dead time: then Done holds.
func (m *Machine) Shutdown(now time.Time) Output {
	var out Output
	m.stopping = true
	if m.state == Active {
		m.release(&out, now, "shutdown")
		return out
	}
	if !m.serving {
		m.rest(&out, now, "shutdown")
	}
	return out
}

// release tells the others that they may take over (priority 0).
func (m *Machine) release(out *Output, now time.Time, why string) {
	out.Adverts = append(out.Adverts, Released)
	m.listen(out, now, why)
}

// rest ends everything.
func (m *Machine) rest(out *Output, now time.Time, why string) {
	m.serving = false
	m.down, m.advert, m.warn, m.linger = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	m.enter(out, now, Initialize, netip.Addr{}, why)
}

// Yield hands over by hand: the machine serves until somebody else does, and
// does not preempt that one. If nobody takes over within the dead time it is
// active again. It does nothing unless the machine is active.
func (m *Machine) Yield(now time.Time) Output {
	var out Output
	if m.state == Active {
		m.yielded = true
		m.release(&out, now, "handed over")
	}
	return out
}

// SetFault faults the machine, or ends the fault if why is "". What is at fault
// cannot serve, so it ends at once.
func (m *Machine) SetFault(now time.Time, why string) Output {
	var out Output
	was := m.fault
	m.fault = why
	switch {
	case m.stopping || m.state == Initialize || was == why:
	case was == "":
		if m.state == Active {
			out.Adverts = append(out.Adverts, Released)
		}
		m.serving, m.decided = false, true
		m.down, m.advert, m.warn, m.linger = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		m.enter(&out, now, Fault, netip.Addr{}, why)
	case why == "" && m.priority == Owner:
		m.activate(&out, now, "fault ended")
	case why == "":
		m.listen(&out, now, "fault ended")
	}
	return out
}

// SetPriority changes the priority in force. An owner's stays.
func (m *Machine) SetPriority(p uint8) {
	if m.settings.Priority != Owner {
		m.priority = min(max(p, 1), Owner-1)
	}
}

// Configure changes the settings without a change of state; the priority in
// force becomes the new one. Whoever raises it wants the machine to compete: that
// ends what a hand-over by hand began.
func (m *Machine) Configure(now time.Time, s Settings) Output {
	var out Output
	m.yielded = m.yielded && s.Priority <= m.settings.Priority
	m.settings, m.priority, m.differ = s, s.Priority, false
	if m.state == Active {
		m.send(&out, now)
	}
	return out
}

// Force makes the machine follow another one of its group.
func (m *Machine) Force(now time.Time, s State) Output {
	var out Output
	switch {
	case m.stopping || m.state == s || m.fault != "":
	case s == Active:
		m.activate(&out, now, "follows its group")
	case s == Backup && m.state == Active:
		m.release(&out, now, "follows its group")
	}
	return out
}

func (m *Machine) activate(out *Output, now time.Time, why string) {
	m.serving, m.decided, m.yielded, m.split, m.tie = true, true, false, 0, tie{}
	m.down, m.warn, m.linger, m.delay = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	m.interval = m.settings.Interval
	m.advert = now
	m.send(out, now)
	m.enter(out, now, Active, netip.Addr{}, why)
}

// send sends an advert and sets the timer of the next one: an interval after
// this one was due, so that delays do not add up.
func (m *Machine) send(out *Output, now time.Time) {
	out.Adverts = append(out.Adverts, m.priority)
	next := m.advert.Add(m.settings.Interval)
	if m.advert.After(now) || !next.After(now) {
		next = now.Add(m.settings.Interval)
	}
	m.advert = next
}

func (m *Machine) enter(out *Output, now time.Time, s State, source netip.Addr, why string) {
	if m.state == s {
		return
	}
	out.Events = append(out.Events, Event{Time: now, Kind: Changed, Old: m.state, State: s, Source: source, Why: why})
	m.state, m.since = s, now
	m.heal(out, now, "not active any more")
}

// content tells until when the machine leaves the active state to the router that it
// follows; zero if it follows none.
func (m *Machine) content() time.Time {
	if m.state == Backup && m.follows && !m.stopping {
		return m.down
	}
	return time.Time{}
}

// wait puts off what silence leads to. Who gave up has said so: that is no silence.
func (m *Machine) wait(now, until time.Time) {
	silent := m.state == Backup && !m.stopping && m.peer.Priority != Released
	if silent && !m.down.After(now) && until.After(now) {
		m.down = until
	}
}

// Expire does what has become due.
func (m *Machine) Expire(now time.Time) Output {
	var out Output
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if due(m.linger) {
		m.linger, m.serving = time.Time{}, false
		if m.stopping {
			m.rest(&out, now, "successor serves")
		}
	}
	if due(m.warn) {
		m.warn = time.Time{}
		out.Events = append(out.Events, Event{Time: now, Kind: Late, Source: m.peer.Address,
			Why: "no advert for " + now.Sub(m.peer.Time).Round(time.Millisecond).String()})
	}
	if due(m.down) {
		if m.stopping {
			m.rest(&out, now, "nobody took over")
		} else {
			m.activate(&out, now, m.silence())
		}
	}
	if due(m.advert) {
		m.send(&out, now)
		if now.Sub(m.splitAt) > m.Dead() {
			m.heal(&out, now, "nobody else has been active for "+m.Dead().Round(time.Millisecond).String())
		}
	}
	return out
}

func (m *Machine) silence() string {
	switch {
	case !m.peer.Address.IsValid():
		return "nobody else is active"
	case m.peer.Priority == Released:
		return "the active router gave up"
	case m.peer.Priority < m.priority && m.settings.Preempt:
		return "preempts a lower priority"
	}
	return "the active router is silent"
}

// same tells whether two lists hold the same addresses.
func same(a, b []netip.Addr) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, netip.Addr.Compare)
	slices.SortFunc(b, netip.Addr.Compare)
	return slices.Equal(a, b)
}
