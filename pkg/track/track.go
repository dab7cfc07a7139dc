// Package track looks after what a VRRP instance depends on besides its adverts:
// links, processes, programs, files, gateways and virtual services. It says what
// follows for the instance, a fault or another priority, and does nothing itself.
package track

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Spec is one thing to look after. Exactly one of the first six is given.
type Spec struct {
	Process string     // the name of a program of which a process runs
	Command []string   // a program that ends with 0
	File    string     // a file with a whole number, which is added to the priority
	Link    string     // an interface that is up and has a carrier
	Gateway netip.Addr // a host that answers to ping
	Virtual string     // a virtual service whose quorum is there

	Name     string
	Interval time.Duration // between two looks
	Timeout  time.Duration // of a look
	Rise     int           // looks in a row that must be good before it is up
	Fall     int           // and bad before it is down
	Weight   int           // 0: down is a fault; below, it is added while down; above, while up
	Repair   []string      // a program to run after the first bad look, before the thing counts as down; none if empty
}

// repairTime is how long a repair may take. Looking goes on meanwhile.
const repairTime = time.Minute

// repairDone is State.Repair after a repair that ended with 0.
const repairDone = "done"

// State is what is known of a thing.
type State struct {
	Known  bool
	Up     bool
	Number int    // File's
	Why    string // not up
	Repair string // how the repair of the last failure ended; "" if none has
}

// Effect is what follows for an instance.
type Effect struct {
	Fault  string // "" is none
	Change int    // of the priority
}

// why tells what is wrong, and what a repair has said of it.
func (s State) why() string {
	if s.Repair == "" {
		return s.Why
	}
	return s.Why + "; its repair: " + s.Repair
}

// Sum puts together what the states mean. Nothing follows before all are known,
// so that a look that takes long at the start makes no fault go and come.
func Sum(specs []Spec, states []State) (Effect, bool) {
	var e Effect
	for i, s := range specs {
		state := states[i]
		switch {
		case !state.Known:
			return Effect{}, false
		case !state.Up && s.Weight == 0 && e.Fault == "":
			e.Fault = s.Name + ": " + state.why()
		case !state.Up && s.Weight < 0, state.Up && s.Weight > 0:
			e.Change += s.Weight
		}
		if state.Up {
			e.Change += state.Number
		}
	}
	return e, true
}

// Tracker looks after one thing.
type Tracker struct {
	spec      Spec
	look      func(context.Context) (number int, err error)
	repair    func(context.Context) error
	repairing bool
	looked    chan outcome // of a look under way; nil if there is none
	state     State
	run       int // looks in a row that contradict the state
}

// outcome is what came of a look.
type outcome struct {
	number int
	err    error
}

// dying is how long a look may go on after its time is up. What the kernel cannot
// interrupt, such as a read from a server that is gone, goes on for ever.
const dying = 500 * time.Millisecond

var errHangs = errors.New("the look hangs")

// New makes a tracker. virtual tells why a virtual service has no quorum, nil if
// it has.
func New(s Spec, virtual func(name string) error) *Tracker {
	t := &Tracker{spec: s, look: looker(s, virtual)}
	if len(s.Repair) > 0 {
		run := program(s.Repair)
		t.repair = func(ctx context.Context) error { _, err := run(ctx); return err }
	}
	return t
}

// Run looks until the context ends, the first time at once, and reports every
// change. When a repair has ended it looks at once.
func (t *Tracker) Run(ctx context.Context, report func(State)) {
	clock := time.NewTicker(t.spec.Interval)
	defer clock.Stop()
	repaired := make(chan error)
	var repairs sync.WaitGroup
	defer repairs.Wait()
	for {
		number, err := t.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if t.note(number, err) {
			report(t.state)
		}
		if t.wantsRepair() {
			t.repairing, t.state.Repair = true, ""
			repairs.Go(func() { t.mend(ctx, repaired) })
		}
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		case err := <-repaired:
			t.repaired(err)
			report(t.state)
		}
	}
}

// once looks, and gives up a look that does not end: there is no other one until it
// has ended.
func (t *Tracker) once(ctx context.Context) (int, error) {
	select {
	case <-t.looked: // too late
		t.looked = nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, t.spec.Timeout)
	defer cancel()
	if t.looked == nil {
		looked := make(chan outcome, 1)
		t.looked = looked
		go func() {
			number, err := t.look(ctx)
			looked <- outcome{number, err}
		}()
	}
	select {
	case o := <-t.looked:
		t.looked = nil
		return o.number, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-t.looked: // says more of why
		t.looked = nil
		return o.number, o.err
	case <-time.After(dying):
		return 0, errHangs
	}
}

// wantsRepair tells whether the last look was the first bad one of something
// that is still up.
func (t *Tracker) wantsRepair() bool {
	return t.repair != nil && !t.repairing && t.state.Up && t.run == 1
}

func (t *Tracker) mend(ctx context.Context, repaired chan<- error) {
	once, cancel := context.WithTimeout(ctx, repairTime)
	defer cancel()
	err := t.repair(once)
	select {
	case repaired <- err:
	case <-ctx.Done():
	}
}

func (t *Tracker) repaired(err error) {
	t.repairing = false
	t.state.Repair = repairDone
	if err != nil {
		t.state.Repair = err.Error()
	}
}

// note takes the outcome of a look and tells whether the state has changed. The
// first look decides alone.
func (t *Tracker) note(number int, err error) bool {
	before := t.state
	up := err == nil
	if !t.state.Known || up == t.state.Up {
		t.run = 0
	} else {
		t.run++
	}
	needed := t.spec.Rise
	if !up {
		needed = t.spec.Fall
	}
	if !t.state.Known || t.run >= needed {
		t.state, t.run = State{Known: true, Up: up, Repair: t.state.Repair}, 0
		if !up {
			t.state.Why = err.Error()
		}
	}
	if up && t.state.Up {
		t.state.Number = number
	}
	return t.state != before
}
