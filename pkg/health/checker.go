// Package health knows which real servers can serve. A Checker runs checks,
// each on a schedule and with a deadline of its own, and keeps the state and
// the latest results of each; quorum, availability and slow start are pure
// functions beside it. Health is an input to the desired state: nothing here
// writes to the kernel.
package health

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// eventQueue is how many events wait for their reader before some are lost.
const eventQueue = 1024

// shortPause is the time between two words about checks that cannot be made: there
// may be thousands of them.
const shortPause = time.Minute

// Checker runs checks. Of each, at most one probe is under way, so no check
// waits for another and the number of probes is bounded by that of the checks.
type Checker struct {
	log     *slog.Logger
	probed  func(kind string, took time.Duration, ok bool)
	changes chan struct{}
	events  chan Event
	probes  sync.WaitGroup

	mu        sync.Mutex
	connector *check.Connector // makes the checks that only connect; nil before the first
	running   context.Context  // Run's; nil while it does not run
	entries   map[Key]*entry
	lost      int       // events, since the last one that found room
	short     time.Time // when it was last said that checks cannot be made
}

// New makes a Checker without checks.
func New(log *slog.Logger) *Checker {
	return &Checker{
		log:     log,
		probed:  func(string, time.Duration, bool) {},
		changes: make(chan struct{}, 1),
		events:  make(chan Event, eventQueue),
		entries: make(map[Key]*entry),
	}
}

// OnProbe has a function called with the kind of check, the time and the outcome
// of each probe, for whoever counts them; it must not wait for anything. It is set
// before Run.
func (c *Checker) OnProbe(probed func(kind string, took time.Duration, ok bool)) { c.probed = probed }

// Changes is sent to when a state or a dynamic weight has changed since the
// last receive. It never says what changed: look at Snapshot.
func (c *Checker) Changes() <-chan struct{} { return c.changes }

// Events gives every change of a state, and the beginning and end of flapping,
// for whoever tells people. A reader that is too slow loses events, and the
// next one says how many.
func (c *Checker) Events() <-chan Event { return c.events }

// Run runs the checks until the context ends and all of their probes have
// ended too. It runs once.
func (c *Checker) Run(ctx context.Context) error {
	c.mu.Lock()
	c.running = ctx
	for _, e := range c.entries {
		c.start(e)
	}
	c.mu.Unlock()

	<-ctx.Done()

	c.mu.Lock()
	c.running = nil
	for _, e := range c.entries {
		c.stop(e)
	}
	c.mu.Unlock()
	c.probes.Wait()
	return nil
}

// Update makes these the checks that run. Two with the same key are one. A
// check that was there goes on undisturbed, with its state, history and
// schedule; one that only changed its timing keeps state and history; a check
// that is not among them ends, and no result of it is recorded any more.
func (c *Checker) Update(wanted []Wanted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.entries
	c.entries = make(map[Key]*entry, len(wanted))
	var added []*entry
	for _, w := range wanted {
		if c.entries[w.Key] != nil {
			continue
		}
		e := before[w.Key]
		if e == nil {
			e = &entry{Wanted: w, machine: machine{since: time.Now()}}
			added = append(added, e)
		}
		c.entries[w.Key] = e
		delete(before, w.Key)
	}
	inherit(before, added)
	for _, e := range before {
		c.stop(e)
	}
	for _, e := range added {
		c.start(e)
	}
}

// inherit gives new checks the past of those that asked the same question at
// other times.
func inherit(gone map[Key]*entry, added []*entry) {
	byQuestion := make(map[string]*entry, len(gone))
	for _, e := range gone {
		byQuestion[e.question] = e
	}
	for _, e := range added {
		if old := byQuestion[e.question]; old != nil {
			e.machine, e.past, e.weight = old.machine, old.past, old.weight
		}
	}
}

// start schedules the first probe, if Run runs. The caller holds the mutex.
func (c *Checker) start(e *entry) {
	if c.running == nil {
		return
	}
	e.ctx, e.cancel = context.WithCancel(c.running)
	if e.connects && c.connect(e) {
		return
	}
	e.timer = time.AfterFunc(e.first(), func() { c.probe(e) })
}

// stop ends a check, and the probe that is under way. The caller holds the mutex.
func (c *Checker) stop(e *entry) {
	if e.cancel == nil {
		return
	}
	e.cancel()
	if e.series != nil {
		c.connector.Remove(e.series)
		return
	}
	e.timer.Stop()
}

func (c *Checker) probe(e *entry) {
	if !c.begin(e) {
		return
	}
	defer c.probes.Done()
	started := time.Now()
	ctx, cancel := context.WithTimeout(e.ctx, e.Timing.Timeout)
	defer cancel()
	result := e.Check.Run(ctx, e.Target)
	c.record(e, started, result)
}

// begin counts a probe in, unless its check has ended since the timer fired.
func (c *Checker) begin(e *entry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.ctx.Err() != nil {
		return false
	}
	c.probes.Add(1)
	return true
}

// record takes a result and schedules the next probe.
func (c *Checker) record(e *entry, started time.Time, r check.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.ctx.Err() != nil {
		return
	}
	c.probed(e.Kind, r.Duration, r.OK)
	now := time.Now()
	e.timer.Reset(c.take(e, started, now, r) - now.Sub(started))
}

// take notes a result and gives the time from the start of its probe to the
// next one's. The caller holds the mutex.
func (c *Checker) take(e *entry, started, now time.Time, r check.Result) time.Duration {
	from, weight := e.machine.state, e.weight
	changed := e.take(started, now, r)
	if r.Unasked && now.Sub(c.short) >= shortPause {
		c.short = now
		c.log.Error("servers cannot be asked, their states stay", "check", e.Name, "err", r.Error)
	}
	if changed.state || !sameWeight(weight, e.weight) {
		c.kick()
	}
	c.tell(e, from, changed, now)
	return e.next()
}

func (c *Checker) kick() {
	select {
	case c.changes <- struct{}{}:
	default:
	}
}
