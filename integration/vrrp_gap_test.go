//go:build bench

package integration

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/control"
)

// failovers is how many things go wrong in a row.
const failovers = 100

// paces are the times between two adverts at which gaps are compared, and how
// often each is measured.
var paces = []struct {
	interval string
	runs     int
}{{"1s", 3}, {"100ms", 5}, {"30ms", 7}, {"10ms", 7}}

// pairOfKeepalived is keepalived doing what election.config asks of lvsd.
func pairOfKeepalived(priority int, interval time.Duration) string {
	return fmt.Sprintf(`global_defs {
	vrrp_version 3
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
	handOver(t *testing.T)
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

func (s *lvsdSide) handOver(t *testing.T) {
	labtest.NoError(t, control.Dial(s.socket()).Failover(t.Context(), ""))
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

func (s *keepalivedSide) start(t *testing.T) { s.cmd, s.log = keepalived(t, s.host, s.config) }
func (s *keepalivedSide) handOver(t *testing.T) {
	labtest.NoError(t, s.cmd.Signal(syscall.SIGTERM))
}
func (s *keepalivedSide) kill()                    { s.cmd.Kill() }
func (s *keepalivedSide) active(t *testing.T) bool { return carries(t, s.host, lab.VIP4) }
func (s *keepalivedSide) ready(*testing.T) bool    { return s.log.count("Entering BACKUP STATE") > 0 }
func (s *keepalivedSide) at() *lab.Host            { return s.host }

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
	lost int           // ticks without an answer
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
			for run := range pace.runs {
				phase := interval * time.Duration(2*run+1) / time.Duration(2*pace.runs)
				for i := range programs {
					program := programs[(i+run)%len(programs)]
					t.Run(fmt.Sprintf("%s %d", program.name, run), func(t *testing.T) {
						l := newPairLab(t)
						pair := [2]side{program.side(l.Host("lb1"), 150, interval), program.side(l.Host("lb2"), 100, interval)}
						for event, o := range measure(t, l, pair, interval, phase) {
							all[program.name+event] = append(all[program.name+event], o)
						}
					})
				}
			}
			judge(t, pace.interval, all)
		})
	}
}

// measure lets a pair go through all events.
func measure(t *testing.T, l *lab.Lab, pair [2]side, interval, phase time.Duration) map[string]outcome {
	one, two := pair[0], pair[1]
	one.start(t)
	eventually(t, "lb1 is active", func() bool { return one.active(t) })
	two.start(t)
	eventually(t, "lb2 is a backup", func() bool { return two.ready(t) })
	clock := startTicker(t, l.Host("client"), lab.VIP4)
	w := listen(t, l.Host("client"), "eth0")
	all := map[string]outcome{}
	observe := func(event string, from side, happen func()) {
		clock.flows(t)
		sent := w.next(t, from.at().V4)
		time.Sleep(time.Until(sent.Add(phase)))
		clock.reset()
		happen()
		// Nobody looks meanwhile: on one processor that would be a pause of its own.
		time.Sleep(4*interval + 500*time.Millisecond)
		clock.flows(t)
		lost, _ := clock.lost()
		all[event] = outcome{clock.gap(), lost}
	}
	observe("hand-over", one, func() { one.handOver(t) })
	if _, ended := one.(*keepalivedSide); ended {
		one.start(t)
		eventually(t, "lb1 is a backup", func() bool { return one.ready(t) })
	}
	observe("link cut", two, func() { labtest.NoError(t, two.at().Unplug("eth0", true)) })
	labtest.NoError(t, two.at().Unplug("eth0", false))
	time.Sleep(4*interval + 500*time.Millisecond)
	eventually(t, "lb2 is a backup", func() bool { return two.ready(t) && !two.active(t) })
	observe("kill -9", one, one.kill)
	if !two.active(t) {
		t.Error("lb2 has not taken over")
	}
	return all
}

// judge reports, and holds what is promised: a failure lasts no longer than 1.1
// times as with keepalived, but for the ticks that it is measured by, and a hand-over
// loses no more than one tick.
func judge(t *testing.T, interval string, all map[string][]outcome) {
	for _, event := range events {
		ours, theirs := all["lvsd"+event], all["keepalived"+event]
		t.Logf("adverts every %s: %s: lvsd %s; keepalived %s", interval, event, spread(ours), spread(theirs))
		if event == "hand-over" {
			if lost := middle(ours, func(o outcome) int { return o.lost }); lost > 1 {
				t.Errorf("a hand-over loses %d ticks", lost)
			}
			continue
		}
		gap := func(o outcome) time.Duration { return o.gap }
		if a, b := middle(ours, gap), middle(theirs, gap); a > b*11/10+2*tick {
			t.Errorf("%s: %s with lvsd, %s with keepalived", event, a, b)
		}
	}
}

func spread(all []outcome) string {
	gap := func(o outcome) time.Duration { return o.gap.Round(time.Millisecond) }
	lost := func(o outcome) int { return o.lost }
	if len(all) == 0 {
		return "not measured"
	}
	gaps, losses := sorted(all, gap), sorted(all, lost)
	last := len(all) - 1
	return fmt.Sprintf("gap %s (%s to %s), lost %d of 5 ms (%d to %d)", middle(all, gap), gaps[0], gaps[last],
		middle(all, lost), losses[0], losses[last])
}

func sorted[T int | time.Duration](all []outcome, of func(outcome) T) []T {
	var values []T
	for _, o := range all {
		values = append(values, of(o))
	}
	slices.Sort(values)
	return values
}

// middle is the median.
func middle[T int | time.Duration](all []outcome, of func(outcome) T) T {
	if len(all) == 0 {
		var none T
		return none
	}
	return sorted(all, of)[len(all)/2]
}
