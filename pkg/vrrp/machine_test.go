package vrrp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
)

var (
	vip   = netip.MustParseAddr("192.0.2.1")
	local = netip.MustParseAddr("10.0.0.5")
	above = netip.MustParseAddr("10.0.0.9")
	below = netip.MustParseAddr("10.0.0.1")
	epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func settings(priority uint8, change ...func(*Settings)) Settings {
	s := Settings{
		Version: V3, VRID: 51, Priority: priority, Interval: time.Second, Preempt: true,
		Addresses: []netip.Addr{vip},
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

// script drives a machine: each line is a time since the start and an input,
// and gives what came of it.
type script struct {
	m   *Machine
	got []string
}

func (s *script) at(d time.Duration, name string, input func(now time.Time) Output) {
	out := input(epoch.Add(d))
	line := fmt.Sprintf("%s %s:", d, name)
	for _, p := range out.Adverts {
		line += fmt.Sprintf(" send %d", p)
	}
	for _, e := range out.Events {
		if e.Kind == Changed {
			line += fmt.Sprintf(" %s→%s", e.Old, e.State)
		} else {
			line += " " + e.Kind.String()
		}
	}
	line += " " + s.m.Role().String()
	s.got = append(s.got, line)
}

func (s *script) start(d time.Duration) { s.at(d, "start", s.m.Start) }
func (s *script) fire(d time.Duration)  { s.at(d, "timer", s.m.Expire) }
func (s *script) hear(d time.Duration, source netip.Addr, priority uint8) {
	h := Heard{Advert: s.m.settings.Advert(priority), Source: source, Local: local}
	s.at(d, fmt.Sprintf("hear %d", priority), func(now time.Time) Output { return s.m.Receive(now, h) })
}

// due runs the timer when it is due, and gives the time.
func (s *script) due() time.Duration {
	d := s.m.Deadline().Sub(epoch)
	s.fire(d)
	return d
}

func resumed() Settings {
	s := settings(100)
	s.Resume = true
	return s
}

func TestMachine(t *testing.T) {
	const sec = time.Second
	tests := []struct {
		name     string
		settings Settings
		run      func(*script)
		want     string
	}{
		{"6.4.1: the owner is active at once", settings(255), func(s *script) {
			s.start(0)
			s.due()
		}, `
0s start: send 255 initialize→active active
1s timer: send 255 active`},
		{"who was active a moment ago, in another process, is active at once", resumed(), func(s *script) {
			s.start(0)
			s.due()
			s.hear(1500*time.Millisecond, below, 200)
		}, `
0s start: send 100 initialize→active active
1s timer: send 100 active
1.5s hear 200: active→backup active`},
		{"6.4.2: a backup takes over after three intervals and the skew", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.due()
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4.5s timer: send 128 active`},
		{"6.4.2: an advert of the same or a higher priority is obeyed", settings(128), func(s *script) {
			s.start(0)
			s.hear(1*sec, below, 128)
			s.hear(2*sec, below, 200)
			s.due()
		}, `
0s start: initialize→backup undecided
1s hear 128: standby
2s hear 200: standby
5.5s timer: send 128 backup→active active`},
		{"6.4.2: one of a lower priority is not, with preemption", settings(128), func(s *script) {
			s.start(0)
			s.hear(1*sec, above, 100)
			s.hear(2*sec, above, 100)
			s.due()
		}, `
0s start: initialize→backup undecided
1s hear 100: standby
2s hear 100: standby
3.5s timer: send 128 backup→active active`},
		{"6.4.2: without preemption it is", settings(128, func(s *Settings) { s.Preempt = false }), func(s *script) {
			s.start(0)
			s.hear(3*sec, above, 100)
			s.due()
		}, `
0s start: initialize→backup undecided
3s hear 100: standby
6.5s timer: send 128 backup→active active`},
		{"preemption waits for its delay", settings(128, func(s *Settings) { s.PreemptDelay = 5 * sec }), func(s *script) {
			s.start(0)
			for i := 1; i <= 8; i++ {
				s.hear(time.Duration(i)*sec, above, 100)
			}
			s.due()
		}, `
0s start: initialize→backup undecided
1s hear 100: standby
2s hear 100: standby
3s hear 100: standby
4s hear 100: standby
5s hear 100: standby
6s hear 100: standby
7s hear 100: standby
8s hear 100: standby
8.5s timer: send 128 backup→active active`},
		{"6.4.2: priority 0 leaves only the skew", settings(128), func(s *script) {
			s.start(0)
			s.hear(1*sec, above, 200)
			s.hear(2*sec, above, 0)
			s.due()
		}, `
0s start: initialize→backup undecided
1s hear 200: standby
2s hear 0: standby
2.5s timer: send 128 backup→active active`},
		{"6.4.3: priority 0 is answered at once", settings(255), func(s *script) {
			s.start(0)
			s.hear(500*time.Millisecond, above, 0)
			s.due()
		}, `
0s start: send 255 initialize→active active
500ms hear 0: send 255 active
1.5s timer: send 255 active`},
		{"6.4.3: a higher priority wins, and the addresses stay for the overlap", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.hear(4*sec, below, 200)
			s.due()
			s.hear(5*sec, below, 200)
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s hear 200: active→backup active
4.25s timer: standby
5s hear 200: standby`},
		{"6.4.3: of equal priorities the higher address wins", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.hear(4*sec, below, 128)
			s.hear(4*sec, above, 128)
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s hear 128: send 128 rival active
4s hear 128: active→backup active`},
		{"a second advert of lower precedence is a split brain, told once", settings(128), func(s *script) {
			s.start(0)
			s.due()
			for i := 4; i <= 6; i++ {
				s.hear(time.Duration(i)*sec, below, 100)
			}
			s.hear(20*sec, below, 100)
			s.hear(21*sec, below, 100)
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s hear 100: send 128 rival active
5s hear 100: send 128 split brain active
6s hear 100: send 128 active
20s hear 100: send 128 split brain is over rival active
21s hear 100: send 128 split brain active`},
		{"a split brain is over when nobody else is active for the dead time", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.hear(4*sec, below, 100)
			s.hear(5*sec, below, 100)
			for range 5 {
				s.due()
			}
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s hear 100: send 128 rival active
5s hear 100: send 128 split brain active
6s timer: send 128 active
7s timer: send 128 active
8s timer: send 128 active
9s timer: send 128 split brain is over active
10s timer: send 128 active`},
		{"or when this machine is not active any more", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.hear(4*sec, below, 100)
			s.hear(5*sec, below, 100)
			s.hear(6*sec, below, 200)
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s hear 100: send 128 rival active
5s hear 100: send 128 split brain active
6s hear 200: active→backup split brain is over active`},
		{"a late advert is told once for each silence", settings(128, func(s *Settings) { s.Warn = 1500 * time.Millisecond }), func(s *script) {
			s.start(0)
			s.hear(1*sec, above, 200)
			s.due()
			s.hear(3*sec, above, 200)
			s.due()
			s.due()
		}, `
0s start: initialize→backup undecided
1s hear 200: standby
2.5s timer: late standby
3s hear 200: standby
4.5s timer: late standby
6.5s timer: send 128 backup→active active`},
		{"the initial dead time counts if it is longer", settings(128, func(s *Settings) { s.InitialDead = 30 * sec }), func(s *script) {
			s.start(0)
			s.due()
		}, `
0s start: initialize→backup undecided
30s timer: send 128 backup→active active`},
		{"the initial dead time is about silence: who is heard is preempted", settings(128, func(s *Settings) { s.InitialDead = 30 * sec }), func(s *script) {
			s.start(0)
			s.hear(1*sec, below, 100)
			s.hear(2*sec, below, 100)
			s.due()
		}, `
0s start: initialize→backup undecided
1s hear 100: standby
2s hear 100: standby
4.5s timer: send 128 backup→active active`},
		{"a hand-over serves until the successor does, and does not preempt it", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.at(4*sec, "yield", s.m.Yield)
			s.hear(5*sec, below, 100)
			s.due()
			s.hear(6*sec, below, 100)
			s.hear(7*sec, below, 100)
			s.due()
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s yield: send 0 active→backup active
5s hear 100: active
5.25s timer: standby
6s hear 100: standby
7s hear 100: standby
10.5s timer: send 128 backup→active active`},
		{"a hand-over to nobody ends by itself without a pause", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.at(4*sec, "yield", s.m.Yield)
			s.due()
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s yield: send 0 active→backup active
7.5s timer: send 128 backup→active active`},
		{"a shutdown serves until the successor does", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.at(4*sec, "stop", s.m.Shutdown)
			s.hear(5*sec, below, 100)
			s.due()
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s stop: send 0 active→backup active
5s hear 100: active
5.25s timer: backup→initialize standby`},
		{"and no longer than the dead time", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.at(4*sec, "stop", s.m.Shutdown)
			s.due()
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s stop: send 0 active→backup active
7.5s timer: backup→initialize standby`},
		{"a fault ends serving at once, its end begins anew", settings(128), func(s *script) {
			s.start(0)
			s.due()
			s.at(4*sec, "fault", func(now time.Time) Output { return s.m.SetFault(now, "eth0 is down") })
			s.hear(5*sec, above, 200)
			s.at(6*sec, "mended", func(now time.Time) Output { return s.m.SetFault(now, "") })
			s.due()
		}, `
0s start: initialize→backup undecided
3.5s timer: send 128 backup→active active
4s fault: send 0 active→fault fault
5s hear 200: fault
6s mended: fault→backup standby
9.5s timer: send 128 backup→active active`},
		{"a priority that falls below the other's", settings(200), func(s *script) {
			s.start(0)
			s.due()
			s.at(4*sec, "priority 50", func(time.Time) Output { s.m.SetPriority(50); return Output{} })
			s.due()
			s.hear(5*sec, below, 100)
		}, `
0s start: initialize→backup undecided
3.21875s timer: send 200 backup→active active
4s priority 50: active
4.21875s timer: send 50 active
5s hear 100: active→backup active`},
		{"RFC 3768: the skew is of a second, a lower priority is not answered", settings(128, func(s *Settings) { s.Version = V2; s.Interval = 2 * sec }), func(s *script) {
			s.start(0)
			s.due()
			s.hear(7*sec, below, 100)
		}, `
0s start: initialize→backup undecided
6.5s timer: send 128 backup→active active
7s hear 100: rival active`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{m: NewMachine(tt.settings)}
			tt.run(s)
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), strings.Join(s.got, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestActiveIntervalIsTheActiveRouters(t *testing.T) {
	m := NewMachine(settings(128))
	m.Start(epoch)
	fast := settings(200, func(s *Settings) { s.Interval = 10 * time.Millisecond })
	m.Receive(epoch.Add(time.Second), Heard{Advert: fast.Advert(200), Source: above, Local: local})
	if got, want := m.Dead(), 35*time.Millisecond; got != want {
		t.Errorf("dead time %s, want %s (RFC 9568 section 6.1)", got, want)
	}
}

func TestShutdownIsDone(t *testing.T) {
	m := NewMachine(settings(128))
	m.Start(epoch)
	m.Shutdown(epoch)
	if !m.Done() || m.Role() != lvs.Undecided || !m.Deadline().IsZero() {
		t.Errorf("done %t, role %s, deadline %s", m.Done(), m.Role(), m.Deadline())
	}
}

func TestGroup(t *testing.T) {
	other := settings(128, func(s *Settings) { s.VRID = 52 })
	g := NewGroup(settings(128), other)
	states := func() string {
		return g.Machine(0).state.String() + " " + g.Machine(1).state.String()
	}
	now := epoch
	check := func(want string) {
		t.Helper()
		if got := states(); got != want {
			t.Errorf("at %s: %s, want %s", now.Sub(epoch), got, want)
		}
	}
	g.Each(now, func(m *Machine) Output { return m.Start(now) })
	check("backup backup")
	now = g.Deadline()
	g.One(now, 0, func(m *Machine) Output { return m.Expire(now) })
	check("active active")
	outs := g.One(now, 1, func(m *Machine) Output {
		return m.Receive(now, Heard{Advert: other.Advert(200), Source: above, Local: local})
	})
	check("backup backup")
	if len(outs[0].Adverts) != 1 || outs[0].Adverts[0] != Released {
		t.Errorf("the follower sends %v, want one of priority 0", outs[0].Adverts)
	}
	g.SetFault(now, 0, "eth0 is down")
	check("fault fault")
	g.SetFault(now, 1, "eth1 is down")
	g.SetFault(now, 0, "")
	check("fault fault")
	g.SetFault(now, 1, "")
	check("backup backup")
}

// What comes and goes is waited for anew: a priority that falls between two rises
// is as if the router of lower priority had not been heard.
func TestPreemptDelayBeginsAnew(t *testing.T) {
	m := NewMachine(settings(128, func(s *Settings) { s.PreemptDelay = 30 * time.Second }))
	m.Start(epoch)
	hear := func(from, to int, priority uint8) {
		t.Helper()
		for i := from; i < to; i++ {
			now := epoch.Add(time.Duration(i) * time.Second)
			m.Expire(now)
			m.Receive(now, Heard{Advert: m.settings.Advert(priority), Source: above, Local: local})
			if m.state != Backup {
				t.Fatalf("%d s after the start: %s", i, m.state)
			}
		}
	}
	hear(1, 10, 100)
	m.SetPriority(50)
	hear(10, 60, 100)
	m.SetPriority(128)
	hear(60, 90, 100)
}

// An owner always preempts (RFC 9568 section 6.1, Preempt_Mode).
func TestOwnerPreempts(t *testing.T) {
	m := NewMachine(settings(100))
	m.Start(epoch)
	hear := func(second int) {
		now := epoch.Add(time.Duration(second) * time.Second)
		m.Expire(now)
		m.Receive(now, Heard{Advert: m.settings.Advert(200), Source: above, Local: local})
	}
	hear(1)
	m.Configure(epoch.Add(time.Second), settings(Owner, func(s *Settings) { s.Preempt = false }))
	for i := range 5 {
		hear(2 + i)
	}
	if m.state != Active {
		t.Errorf("the owner is %s", m.state)
	}
}

// A director that was drained by an operator and is enabled again competes as the
// file has it.
func TestRaisedPriorityEndsAHandOver(t *testing.T) {
	m := NewMachine(settings(200))
	m.Start(epoch)
	now := m.Deadline()
	m.Expire(now)
	m.Configure(now, settings(1))
	m.Yield(now)
	hear := func() {
		now = now.Add(time.Second)
		m.Expire(now)
		m.Receive(now, Heard{Advert: m.settings.Advert(100), Source: below, Local: local})
	}
	hear()
	if m.state != Backup {
		t.Fatalf("handed over it is %s", m.state)
	}
	m.Configure(now, settings(200))
	for range 5 {
		hear()
	}
	if m.state != Active {
		t.Errorf("enabled again it is %s", m.state)
	}
}
