package health

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/lvsd/lvsd/pkg/health/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a check whose outcome the test decides; it remembers when it ran.
type fake struct {
	mu     sync.Mutex
	err    string
	short  bool // of what it needs to ask
	hang   bool // until the context ends
	weight *int32
	starts []time.Time
	under  int // probes under way
}

func (f *fake) Run(ctx context.Context, _ check.Target) check.Result {
	f.mu.Lock()
	f.starts = append(f.starts, time.Now())
	f.under++
	r := check.Result{OK: f.err == "" && !f.hang, Error: f.err, Unasked: f.short, Weight: f.weight}
	hang := f.hang
	f.mu.Unlock()
	began := time.Now()
	if hang {
		<-ctx.Done()
		r.Error = "timed out"
	}
	r.Duration = time.Since(began)
	f.mu.Lock()
	f.under--
	f.mu.Unlock()
	return r
}

func (f *fake) Preflight() error { return nil }

func (f *fake) set(change func(f *fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) runs() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.starts...)
}

var testTiming = Timing{
	Interval: 10 * time.Second, FastInterval: time.Second, Timeout: 5 * time.Second, Rise: 2, Fall: 3,
}

func wantedOf(name string, f *fake) Wanted {
	return Wanted{Key: Key(name + " " + testTiming.String()), Name: name, Check: f, Timing: testTiming, question: name}
}

// running starts a Checker with these checks; it ends with the test.
func running(t *testing.T, wanted ...Wanted) *Checker {
	t.Helper()
	c := New(slog.New(slog.DiscardHandler))
	c.Update(wanted)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

// after lets fake time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		w := wantedOf("a", f)
		c := running(t, w)
		after(startSpread)
		if got := c.Snapshot()[w.Key].State; got != Up {
			t.Fatalf("%s a second after the start", got)
		}
		after(time.Hour)
		runs := f.runs()
		for i := 2; i < len(runs); i++ {
			wantWithin(t, runs[i].Sub(runs[i-1]), 9*time.Second, 11*time.Second)
		}
		if n := len(runs); n < 330 || n > 400 {
			t.Errorf("%d probes in an hour", n)
		}
	})
}

func TestDetection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		w := wantedOf("a", f)
		c := running(t, w)
		after(time.Minute)
		<-c.Changes()
		<-c.Events()

		f.set(func(f *fake) { f.err = "connect 10.0.0.2:80: connection refused" })
		failed := time.Now()
		<-c.Changes()
		// An interval until the first failure, then two fast ones.
		wantWithin(t, time.Since(failed), 0, 11*time.Second+2*1100*time.Millisecond)
		e := <-c.Events()
		want := Event{At: time.Now(), Check: w.Key, Name: "a", What: Changed, From: Up, State: Down, Error: "connect 10.0.0.2:80: connection refused"}
		if diff := cmp.Diff(want, e); diff != "" {
			t.Error(diff)
		}

		f.set(func(f *fake) { f.err = "" })
		recovered := time.Now()
		<-c.Changes()
		wantWithin(t, time.Since(recovered), 0, 11*time.Second+1100*time.Millisecond)
		if e := <-c.Events(); e.State != Up || e.Error != "" {
			t.Errorf("got %+v", e)
		}
	})
}

// That the director has no descriptor left says nothing of its servers.
func TestUnaskedSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		w := wantedOf("tcp 10.0.0.2:80", f)
		c := running(t, w)
		after(testTiming.Interval)
		f.set(func(f *fake) { f.err, f.short = "too many open files", true })
		after(100 * testTiming.Interval)
		if s := c.Snapshot()[w.Key]; s.State != Up || s.Last.OK || s.Last.Error != "too many open files" {
			t.Errorf("got %+v", s)
		}
		f.set(func(f *fake) { f.err, f.short = "connection refused", false })
		after(2 * testTiming.Interval)
		if s := c.Snapshot()[w.Key]; s.State != Down {
			t.Errorf("got %+v", s)
		}
	})
}

// A hundred servers that hang do not delay the other nine hundred.
func TestHangingDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks []*fake
		var wanted []Wanted
		for i := range 1000 {
			f := &fake{hang: i%10 == 0}
			checks = append(checks, f)
			wanted = append(wanted, wantedOf(fmt.Sprint(i), f))
		}
		running(t, wanted...)
		after(5 * time.Minute)
		for i, f := range checks {
			runs := f.runs()
			for j := 2; j < len(runs) && i%10 != 0; j++ {
				wantWithin(t, runs[j].Sub(runs[j-1]), 9*time.Second, 11*time.Second)
			}
			if n := len(runs); n < 27 || n > 70 {
				t.Errorf("check %d ran %d times in 5 minutes", i, n)
			}
		}
	})
}

// A probe that takes longer than the interval is never joined by a second one.
func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hang: true}
		w := wantedOf("a", f)
		w.Timing.Interval, w.Timing.Timeout = time.Second, 10*time.Second
		c := running(t, w)
		for range 100 {
			after(time.Second)
			f.set(func(f *fake) {
				if f.under > 1 {
					t.Errorf("%d probes at once", f.under)
				}
			})
		}
		if n := len(f.runs()); n < 9 || n > 11 {
			t.Errorf("%d probes in 100 seconds", n)
		}
		if got := c.Snapshot()[w.Key]; got.State != Down || got.Last.Error != "timed out" {
			t.Errorf("got %+v", got)
		}
	})
}

// The probes of many checks are spread over time, at the start and later.
func TestNoBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		f := &fake{}
		var wanted []Wanted
		for i := range n {
			wanted = append(wanted, wantedOf(fmt.Sprint(i), f))
		}
		began := time.Now()
		running(t, wanted...)
		after(2 * time.Minute)

		perSlot := map[int]int{}
		const slot = 100 * time.Millisecond
		for _, at := range f.runs() {
			perSlot[int(at.Sub(began)/slot)]++
		}
		for i, count := range perSlot {
			fair := n / 10 // the first second
			if i >= 10 {
				fair = n / 100 // the interval of 10 s
			}
			if count > 3*fair {
				t.Errorf("%d probes in a tenth of a second, %s after the start", count, time.Duration(i)*slot)
			}
		}
	})
}

func TestSharedCheckRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		c := running(t, wantedOf("a", f), wantedOf("a", f))
		const intervals = 20
		after(intervals * testTiming.Interval)
		// One check's first gap is short and the others are as much as a tenth shorter; two would probe twice as often.
		if n := len(f.runs()); n < intervals || n > intervals*3/2 || len(c.Snapshot()) != 1 {
			t.Errorf("%d probes in %d intervals, %d checks", n, intervals, len(c.Snapshot()))
		}
	})
}

func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, gone, added := &fake{}, &fake{hang: true}, &fake{}
		a, b := wantedOf("kept", kept), wantedOf("gone", gone)
		c := running(t, a, b)
		after(time.Minute)
		before, history, runs := c.Snapshot()[a.Key], c.History(a.Key), len(kept.runs())

		// The same question again is another check, which nobody needs.
		again := wantedOf("kept", &fake{err: "not asked"})
		c.Update([]Wanted{again, wantedOf("added", added)})
		if diff := cmp.Diff(before, c.Snapshot()[a.Key]); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(history, c.History(a.Key)); diff != "" {
			t.Error(diff)
		}
		after(0)
		gone.set(func(f *fake) {
			if f.under != 0 {
				t.Error("the probe of the check that is gone goes on")
			}
		})
		ended := len(gone.runs())
		after(time.Minute)
		if len(gone.runs()) != ended {
			t.Error("the check that is gone runs on")
		}
		if n := len(kept.runs()) - runs; n < 5 || n > 7 {
			t.Errorf("the kept check ran %d times in a minute", n)
		}
		if len(added.runs()) == 0 || len(c.Snapshot()) != 2 {
			t.Errorf("added ran %d times, snapshot %v", len(added.runs()), c.Snapshot())
		}
	})
}

// Fifty reloads in a row do not move the schedule of what stays.
func TestUpdateKeepsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		c := running(t, wantedOf("a", f))
		after(time.Minute)
		from := len(f.runs())
		for range 50 {
			after(time.Second)
			c.Update([]Wanted{wantedOf("a", f)})
		}
		runs := f.runs()[from-1:]
		if len(runs) < 5 {
			t.Errorf("%d probes", len(runs))
		}
		for i := 1; i < len(runs); i++ {
			wantWithin(t, runs[i].Sub(runs[i-1]), 9*time.Second, 11*time.Second)
		}
	})
}

func TestUpdateOfTimingKeepsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{err: "dead"}
		c := running(t, wantedOf("a", f))
		after(time.Minute)
		faster := wantedOf("a", f)
		faster.Timing.Interval, faster.Key = 2*time.Second, "a faster"
		c.Update([]Wanted{faster})
		got := c.Snapshot()[faster.Key]
		if got.State != Down || got.Last.Error != "dead" || len(c.History(faster.Key)) < 5 {
			t.Errorf("got %+v, %d probes", got, len(c.History(faster.Key)))
		}
		runs := len(f.runs())
		after(20 * time.Second)
		if n := len(f.runs()) - runs; n < 9 || n > 12 {
			t.Errorf("%d probes in 20 seconds", n)
		}
	})
}

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		w := wantedOf("a", f)
		c := running(t, w)
		if got := c.History(w.Key); len(got) != 0 {
			t.Errorf("%d probes before the first", len(got))
		}
		after(10 * time.Minute)
		history, runs := c.History(w.Key), f.runs()
		if len(history) != HistoryLength {
			t.Fatalf("%d probes", len(history))
		}
		for i, p := range history {
			if want := runs[len(runs)-HistoryLength+i]; !p.At.Equal(want) || !p.OK {
				t.Errorf("probe %d: %+v, want at %s", i, p, want)
			}
		}
		if c.History("nothing") != nil {
			t.Error("a check that is not there has a history")
		}
	})
}

func TestFlappingEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		w := wantedOf("a", f)
		w.Timing.Rise, w.Timing.Fall = 1, 1
		c := running(t, w)
		for i := range 60 {
			after(12 * time.Second)
			f.set(func(f *fake) { f.err = map[bool]string{true: "", false: "dead"}[i%2 == 0] })
		}
		f.set(func(f *fake) { f.err = "" })
		after(time.Hour)
		kinds := map[What]int{}
		for len(c.Events()) > 0 {
			kinds[(<-c.Events()).What]++
		}
		if kinds[Flapping] != 1 || kinds[Settled] != 1 || kinds[Changed] > 6 {
			t.Errorf("got %v", kinds)
		}
	})
}

func TestLostEvents(t *testing.T) {
	c := New(slog.New(slog.DiscardHandler))
	for range eventQueue + 5 {
		c.queue(Event{})
	}
	<-c.Events()
	c.queue(Event{Name: "next"})
	for len(c.Events()) > 1 {
		<-c.Events()
	}
	if e := <-c.Events(); e.Name != "next" || e.Lost != 5 {
		t.Errorf("got %+v", e)
	}
}

func TestDynamicWeightKicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		weight := func(n int32) *int32 { return &n }
		f := &fake{weight: weight(5)}
		w := wantedOf("a", f)
		c := running(t, w)
		<-c.Changes()
		f.set(func(f *fake) { f.weight = weight(7) })
		<-c.Changes()
		if got := c.Snapshot()[w.Key].Weight; got == nil || *got != 7 {
			t.Errorf("got %v", got)
		}
		f.set(func(f *fake) { f.weight = weight(7) })
		after(time.Minute)
		if len(c.Changes()) != 0 {
			t.Error("the same weight is a change")
		}
	})
}

func TestWant(t *testing.T) {
	target := check.Target{Address: netip.MustParseAddr("10.0.0.2"), Port: 80}
	timing := Timing{}.WithDefaults()
	a, err := Want(&check.HTTP{Path: "/a"}, target, timing)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Want(&check.HTTP{Path: "/a"}, target, timing)
	if err != nil {
		t.Fatal(err)
	}
	if a.Key != b.Key || a.Name != "http 10.0.0.2:80" {
		t.Errorf("got %s and %s, %s", a.Key, b.Key, a.Name)
	}
	if _, err := Want(&check.HTTP{Path: "a"}, target, timing); err == nil {
		t.Error("a bad path is wanted")
	}
	if _, err := Want(&check.HTTP{}, target, Timing{}); err == nil {
		t.Error("no interval is wanted")
	}
}

func TestOnAndOffAreCertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := check.Target{Address: netip.MustParseAddr("10.0.0.2")}
		on, err := Want(&check.On{}, target, testTiming)
		if err != nil {
			t.Fatal(err)
		}
		off, err := Want(&check.Off{}, target, testTiming)
		if err != nil {
			t.Fatal(err)
		}
		c := running(t, on, off)
		synctest.Wait()
		s := c.Snapshot()
		if s[on.Key].State != Up || s[off.Key].State != Down {
			t.Errorf("got %v", s)
		}
	})
}
