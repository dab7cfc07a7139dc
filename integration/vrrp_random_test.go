package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// The times of TestRandomFailovers. Beside what is promised there is an allowance
// for a machine that does all of it, both directors and the clients, on one processor.
const (
	randomInterval  = 100 * time.Millisecond
	randomDead      = 4 * randomInterval // three intervals and the skew, of any priority
	randomAllowance = 300 * time.Millisecond
)

// steered is a director whose priority is 100 and what its file says.
type steered struct {
	*director
	file string
}

func newSteered(t *testing.T, h *lab.Host) *steered {
	t.Helper()
	s := &steered{file: filepath.Join(t.TempDir(), "priority")}
	s.prefer(t, 0)
	e := election{interval: randomInterval.String(), more: fmt.Sprintf(
		"\n[vrrp.front.track]\nsteer = { file = %q, interval = \"100ms\" }\n", s.file)}
	s.director = startPlain(t, h, e.config(100))
	return s
}

// prefer changes the priority by so much.
func (s *steered) prefer(t *testing.T, more int) {
	t.Helper()
	tmp := s.file + ".new"
	labtest.NoError(t, os.WriteFile(tmp, []byte(strconv.Itoa(more)), 0o600))
	labtest.NoError(t, os.Rename(tmp, s.file))
}

// Whatever goes wrong, in whatever order and under load, one director serves after
// it: never two for longer than an interval, never none for longer than the dead
// time, and nothing is left behind.
func TestRandomFailovers(t *testing.T) {
	l := newPairLab(t)
	before := map[string]string{"lb1": trace(t, l.Host("lb1")), "lb2": trace(t, l.Host("lb2"))}
	pair := []*steered{newSteered(t, l.Host("lb1")), newSteered(t, l.Host("lb2"))}
	pair[0].prefer(t, 50)
	pair[0].becomes("active", true)
	pair[1].becomes("backup", false)
	load := l.Host("client").StartLoad(t.Context(), lab.LoadConfig{
		URL: labtest.URL(lab.VIP4, 80), Workers: 2, Rate: 50, Timeout: time.Second})
	clock := startTicker(t, l.Host("client"), lab.VIP4)
	w := listen(t, l.Host("client"), "eth0")
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d failovers, seed %d", failovers, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var worst struct{ none, two time.Duration }
	what := ""
	for i := range failovers {
		d, other := pair[i%2], pair[1-i%2]
		choice := []string{"kill", "cut", "stop", "hand over", "priority"}
		if what == "hand over" { // who handed over does not preempt, whatever its priority
			choice = choice[:4]
		}
		what = choice[random.IntN(len(choice))]
		clock.flows(t)
		clock.reset()
		w.reset()
		time.Sleep(time.Duration(random.Int64N(int64(randomInterval))))
		d.ends(t, what, other)
		other.becomes("active", true)
		clock.flows(t)
		none, two := clock.gap()-clock.stall(), together(w, d.host, other.host)
		if what == "cut" { // nobody hears of the other one until it is back
			w.reset()
		}
		other.prefer(t, 50)
		d.prefer(t, 0)
		d.returns(t, what)
		d.becomes("backup", false)
		if what == "cut" {
			two = together(w, d.host, other.host)
		}
		worst.none, worst.two = max(worst.none, none), max(worst.two, two)
		if none > randomDead+randomAllowance {
			t.Errorf("%d: %s of %s: nobody answered for %s", i, what, d.host.Name, none)
		}
		if two > randomInterval+clock.stall()+randomAllowance/3 {
			t.Errorf("%d: %s of %s: two were active for %s", i, what, d.host.Name, two)
		}
		if !carries(t, other.host, lab.VIP4) || carries(t, d.host, lab.VIP4) {
			t.Errorf("%d: %s of %s: the VIP is not on %s alone", i, what, d.host.Name, other.host.Name)
		}
		if t.Failed() {
			for _, name := range []string{"client", "lb1", "lb2", "rs1", "rs2"} {
				t.Logf("%s:\n%s", name, labtest.Run(t, l.Host(name), "ip", "-s", "neigh"))
			}
			t.Fatalf("%s\n%s\n%s:\n%s\n%s:\n%s", clock, w, d.host.Name, d.log, other.host.Name, other.log)
		}
	}
	t.Logf("at most %s without an answer, two active for at most %s; the load: %s", worst.none, worst.two, load.Stop())
	last := pair[failovers%2]
	labtest.NoError(t, last.cmd.Signal(syscall.SIGQUIT))
	_ = last.cmd.Wait()
	if n := last.log.count("\ngoroutine "); n == 0 || n > 60 {
		t.Errorf("%d goroutines after all of it:\n%s", n, last.log)
	}
	last.start() // to stop properly
	for _, d := range pair {
		d.stop()
		if after := trace(t, d.host); after != before[d.host.Name] {
			t.Errorf("%s is left with\n%s\nand had\n%s", d.host.Name, after, before[d.host.Name])
		}
	}
}

// ends ends the service of a director.
func (s *steered) ends(t *testing.T, what string, other *steered) {
	t.Helper()
	switch what {
	case "kill":
		s.cmd.Kill()
	case "cut":
		labtest.NoError(t, s.host.Unplug("eth0", true))
	case "stop":
		s.stop()
	case "hand over":
		labtest.NoError(t, s.client().Failover(t.Context(), ""))
	case "priority":
		s.prefer(t, 0)
		other.prefer(t, 50)
	}
}

// returns brings it back.
func (s *steered) returns(t *testing.T, what string) {
	t.Helper()
	switch what {
	case "kill", "stop":
		s.start()
	case "cut":
		labtest.NoError(t, s.host.Unplug("eth0", false))
	}
}

// trace is what a director could leave behind on a host.
func trace(t *testing.T, h *lab.Host) string {
	t.Helper()
	links := labtest.Run(t, h, "ip", "-o", "link")
	return fmt.Sprint(strings.Count(links, "\n"), " links\n",
		labtest.Run(t, h, "ip", "-o", "-4", "address"), labtest.Run(t, h, "ip", "-4", "route", "show", "table", "all"))
}

// together is for how long two hosts have advertised at the same time.
func together(w *wire, a, b *lab.Host) time.Duration {
	longest := time.Duration(0)
	for _, x := range terms(w.adverts(a.V4)) {
		for _, y := range terms(w.adverts(b.V4)) {
			longest = max(longest, earlier(x.end, y.end).Sub(later(x.begin, y.begin)))
		}
	}
	return longest
}

// term is a time in which a router has advertised.
type term struct{ begin, end time.Time }

// terms are those that adverts show: a router that gave up and was elected again
// has two.
func terms(adverts []heard) []term {
	var all []term
	for _, h := range adverts {
		if n := len(all); n > 0 && h.at.Sub(all[n-1].end) < randomDead {
			all[n-1].end = h.at
			continue
		}
		all = append(all, term{h.at, h.at})
	}
	return all
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
