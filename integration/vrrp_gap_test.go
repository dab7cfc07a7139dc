//go:build bench

package integration

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/control"
)

// paces are the times between two adverts at which gaps are compared, in how many
// labs and how often in each, and how often the client sends meanwhile.
var paces = []struct {
	interval     string
	labs, rounds int
	tick         time.Duration
}{{"1s", 2, 2, tick}, {"100ms", 2, 3, tick}, {"30ms", 3, 4, fineTick}, {"10ms", 4, 3, fineTick}}

// fineTick is as fine as User-Mode Linux can be without being busy with it: a tick
// costs two system calls of a tenth of a millisecond each, and some for the packet.
const fineTick = 2 * time.Millisecond

// pairOfKeepalived is keepalived doing what election.config asks of lvsd.
func pairOfKeepalived(priority int, interval time.Duration) string {
	return fmt.Sprintf(`global_defs {
	vrrp_version 3
	vrrp_startup_delay 1
}
vrrp_instance front {
	state BACKUP
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int %g
	nopreempt
	virtual_ipaddress {
		%s/32 dev eth0
	}
}
virtual_server %s %d {
	lvs_sched rr
	lvs_method DR
	protocol UDP
	real_server 10.0.1.101 %d {
	}
	real_server 10.0.1.102 %d {
	}
}
`, priority, interval.Seconds(), lab.VIP4, lab.VIP4, echoPort, echoPort, echoPort)
}

// side is one of the two directors of a pair, whatever program it runs.
type side interface {
	start(t *testing.T)
	handOver(t *testing.T) error
	kill()
	active(t *testing.T) bool
	ready(t *testing.T) bool // active or a backup
	at() *lab.Host
}

type lvsdSide struct {
	*director
	config string
}

func (s *lvsdSide) start(t *testing.T) {
	if s.dir == "" {
		s.dir, s.t = t.TempDir(), t
	}
	s.plain(s.config)
	s.director.start()
}

func (s *lvsdSide) handOver(t *testing.T) error {
	return control.Dial(s.socket()).Failover(t.Context(), "")
}
func (s *lvsdSide) kill()                  { s.cmd.Kill() }
func (s *lvsdSide) active(*testing.T) bool { return s.instance("front").State == "active" }
func (s *lvsdSide) ready(t *testing.T) bool {
	return s.active(t) || s.instance("front").State == "backup"
}
func (s *lvsdSide) at() *lab.Host { return s.host }

type keepalivedSide struct {
	host   *lab.Host
	config string
	cmd    *lab.Cmd
	log    *logBuffer
}

func (s *keepalivedSide) start(t *testing.T)        { s.cmd, s.log = keepalived(t, s.host, s.config) }
func (s *keepalivedSide) handOver(*testing.T) error { return s.cmd.Signal(syscall.SIGTERM) }
func (s *keepalivedSide) kill()                     { s.cmd.Kill() }
func (s *keepalivedSide) active(t *testing.T) bool  { return carries(t, s.host, lab.VIP4) }
func (s *keepalivedSide) ready(*testing.T) bool     { return s.log.count("Entering BACKUP STATE") > 0 }
func (s *keepalivedSide) at() *lab.Host             { return s.host }

// programs make the sides of a pair.
var programs = []struct {
	name string
	side func(h *lab.Host, priority int, interval time.Duration) side
}{
	{"lvsd", func(h *lab.Host, priority int, interval time.Duration) side {
		e := election{interval: interval.String(), extra: "preempt = false\n"}
		return &lvsdSide{&director{host: h, log: &logBuffer{}}, e.config(priority)}
	}},
	{"keepalived", func(h *lab.Host, priority int, interval time.Duration) side {
		return &keepalivedSide{host: h, config: pairOfKeepalived(priority, interval)}
	}},
}

// outcome is what a client sees of one event.
type outcome struct {
	gap  time.Duration // longest between two answers
	lost time.Duration // without an answer, in ticks

	// For so long the machine kept the client from sending.
	stall time.Duration

	// Of a failure, by the kernel's clock.
	silent time.Duration // from the last advert to the first one of the successor
	moved  time.Duration // from there until the successor told where the VIP is
}

// events are what ends a director's service.
var events = []string{"hand-over", "link cut", "kill -9"}

// TestGaps measures how long a client waits when a director fails or hands over,
// beside a pair of keepalived's in the same kernel, in turns: "make bench" runs
// it. A failure comes at the same moments between two adverts for both.
func TestGaps(t *testing.T) {
	for _, pace := range paces {
		t.Run(pace.interval, func(t *testing.T) {
			interval, err := time.ParseDuration(pace.interval)
			labtest.NoError(t, err)
			all := map[string][]outcome{}
			for n := range pace.labs {
				for i := range programs {
					program := programs[(i+n)%len(programs)]
					t.Run(fmt.Sprintf("%s %d", program.name, n), func(t *testing.T) {
						l := newQuietLab(t)
						m := &meter{t: t, lab: l, interval: interval, every: pace.tick,
							one: program.side(l.Host("lb1"), 150, interval), two: program.side(l.Host("lb2"), 100, interval)}
						m.begin()
						for round := range pace.rounds {
							// All phases come once, and each lab has early and late ones.
							at := 2*(round*pace.labs+n) + 1
							m.phase = interval * time.Duration(at) / time.Duration(2*pace.labs*pace.rounds)
							for event, o := range m.round() {
								t.Logf("%s at %s: %s", event, m.phase, report([]outcome{o}))
								all[program.name+event] = append(all[program.name+event], o)
							}
						}
					})
				}
			}
			judge(t, pace.interval, pace.tick, all)
		})
	}
}

// meter lets a pair go through all events, again and again.
type meter struct {
	t        *testing.T
	lab      *lab.Lab
	one, two side // of higher priority, and of lower
	interval time.Duration
	phase    time.Duration // from an advert to what happens
	every    time.Duration // the client sends
	clock    *ticker
	wire     *wire
}

// begin starts both; one is active.
func (m *meter) begin() {
	m.one.start(m.t)
	eventually(m.t, "lb1 is active", func() bool { return m.one.active(m.t) })
	m.two.start(m.t)
	m.lead(m.one, m.two)
	m.clock = startLightTicker(m.t, m.lab, lab.VIP4, m.every)
	m.wire = listen(m.t, m.lab.Host("client"), "eth0")
}

// lead makes a side active and the other one its backup. One that starts on a busy
// machine may take over: it has heard nobody.
func (m *meter) lead(active, backup side) {
	eventually(m.t, active.at().Name+" leads", func() bool {
		if active.ready(m.t) && backup.active(m.t) {
			if backup.handOver(m.t) == nil { // it is active still
				m.settle()
				m.revive(backup)
			}
		}
		return active.active(m.t) && backup.ready(m.t) && !backup.active(m.t)
	})
}

// round is all events, after which one is active again.
func (m *meter) round() map[string]outcome {
	all := map[string]outcome{"hand-over": m.observe(m.one, m.two, func() { labtest.NoError(m.t, m.one.handOver(m.t)) })}
	m.revive(m.one)
	m.lead(m.two, m.one)
	all["link cut"] = m.observe(m.two, m.one, func() { labtest.NoError(m.t, m.two.at().Unplug("eth0", true)) })
	labtest.NoError(m.t, m.two.at().Unplug("eth0", false))
	m.settle()
	m.lead(m.one, m.two)
	all["kill -9"] = m.observe(m.one, m.two, m.one.kill)
	if !m.two.active(m.t) {
		m.t.Error("lb2 has not taken over")
	}
	m.one.start(m.t)
	m.lead(m.one, m.two)
	return all
}

// revive starts a side that has handed over by its end.
func (m *meter) revive(s side) {
	if _, ended := s.(*keepalivedSide); ended {
		s.start(m.t)
	}
}

// settle is time enough for a failover. Nobody looks meanwhile: on one processor
// that would be a pause of its own.
func (m *meter) settle() { time.Sleep(4*m.interval + 500*time.Millisecond) }

// observe lets something happen that makes one side follow another.
func (m *meter) observe(from, to side, happen func()) outcome {
	m.clock.flows(m.t)
	m.wire.reset()
	sent := m.wire.next(m.t, from.at().V4)
	time.Sleep(time.Until(sent.Add(m.phase)))
	m.clock.reset()
	happen()
	m.settle()
	o := outcome{gap: m.clock.gap(), stall: m.clock.stall()}
	lost, _ := m.clock.lost()
	o.lost = time.Duration(lost) * m.every
	o.silent, o.moved = stages(m.wire, from.at(), to.at())
	return o
}

// stages are the times that a failover takes, as the network hears of it; zero if it
// does not.
func stages(w *wire, from, to *lab.Host) (silent, moved time.Duration) {
	last := w.adverts(from.V4)
	if len(last) == 0 {
		return 0, 0
	}
	dead := last[len(last)-1].at
	after := func(all []heard, begin time.Time) time.Time {
		for _, h := range all {
			if h.at.After(begin) {
				return h.at
			}
		}
		return begin
	}
	first := after(w.adverts(to.V4), dead)
	return first.Sub(dead), after(w.claims(lab.VIP4), dead).Sub(first)
}

// leastLoss is what a planned hand-over may cost: a tick of 5 ms.
const leastLoss = 5 * time.Millisecond

// judge reports, and holds what is promised: a failure lasts no longer than 1.1
// times as with keepalived, and a hand-over loses no more than a tick. A gap is from
// one tick to another: what it measures is known to a tick, which is allowed for.
func judge(t *testing.T, interval string, every time.Duration, all map[string][]outcome) {
	lost := func(o outcome) time.Duration { return o.lost }
	gap := func(o outcome) time.Duration { return o.gap }
	for _, event := range events {
		ours, theirs := all["lvsd"+event], all["keepalived"+event]
		t.Logf("adverts every %s: %s: lvsd %s; keepalived %s", interval, event, report(ours), report(theirs))
		a, b := middle(ours, gap), middle(theirs, gap)
		switch {
		case event == "hand-over" && middle(ours, lost) > leastLoss:
			t.Errorf("a hand-over loses %s", middle(ours, lost))
		case event != "hand-over" && a > b*11/10+every:
			t.Errorf("%s: %s with lvsd, %s with keepalived", event, a, b)
		}
	}
}

// report is what was measured: the median, the least and the most.
func report(all []outcome) string {
	if len(all) == 0 {
		return "not measured"
	}
	of := func(name string, value func(outcome) time.Duration) string {
		values := sorted(all, value)
		round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
		return fmt.Sprintf("%s %s (%s to %s)", name, round(values[len(values)/2]), round(values[0]), round(values[len(values)-1]))
	}
	return strings.Join([]string{
		of("gap", func(o outcome) time.Duration { return o.gap }),
		of("lost", func(o outcome) time.Duration { return o.lost }),
		of("client stalled", func(o outcome) time.Duration { return o.stall }),
		of("adverts apart", func(o outcome) time.Duration { return o.silent }),
		of("ARP after", func(o outcome) time.Duration { return o.moved }),
	}, ", ")
}

// sorted are the values of all outcomes.
func sorted(all []outcome, of func(outcome) time.Duration) []time.Duration {
	var values []time.Duration
	for _, o := range all {
		values = append(values, of(o))
	}
	slices.Sort(values)
	return values
}

// middle is the median.
func middle(all []outcome, of func(outcome) time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return sorted(all, of)[len(all)/2]
}

// startLightTicker hears the datagrams themselves, at the real servers, which answer
// nothing: with direct routing answers do not pass a director. So a tick costs two
// system calls, and all else is done by the kernel.
func startLightTicker(t *testing.T, l *lab.Lab, to netip.Addr, every time.Duration) *ticker {
	t.Helper()
	k := newTicker(t, l.Host("client"), to, every)
	for _, name := range []string{"rs1", "rs2"} {
		c := labtest.Must(l.Host(name).ListenPacket("udp4", fmt.Sprintf(":%d", echoPort)))(t).(*net.UDPConn)
		t.Cleanup(func() { c.Close() })
		k.hear(t, c)
	}
	k.start(t)
	return k
}
