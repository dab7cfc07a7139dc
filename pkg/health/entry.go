package health

import (
	"context"
	"time"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// Key identifies a check: services that want the same check of the same target
// at the same times share it.
type Key string

// Wanted is a check to run; Want makes it.
type Wanted struct {
	Key    Key
	Name   string // for logs and mails: "http 10.0.0.2:80"
	Kind   string // of the check: "http"
	Check  check.Check
	Target check.Target
	Timing Timing

	question string // what is asked of whom, whenever
	connects bool   // and does no more, so that the Connector can make it
	certain  bool   // on and off: the outcome is known without asking
}

// Want makes a check of its specification.
func Want(spec check.Spec, target check.Target, timing Timing) (Wanted, error) {
	if err := timing.Validate(); err != nil {
		return Wanted{}, err
	}
	c, err := check.New(spec)
	if err != nil {
		return Wanted{}, err
	}
	question := check.Key(spec, target)
	tcp, connects := spec.(*check.TCP)
	connects = connects && tcp.OnlyConnects()
	certain := spec.Kind() == "on" || spec.Kind() == "off"
	if certain {
		timing.Rise, timing.Fall = 1, 1
	}
	return Wanted{
		Key:      Key(question + " " + timing.String()),
		Name:     spec.Kind() + " " + target.String(),
		Kind:     spec.Kind(),
		Check:    c,
		Target:   target,
		Timing:   timing,
		question: question,
		connects: connects,
		certain:  certain,
	}, nil
}

// entry is a check that runs. The Checker's mutex guards all but Wanted.
type entry struct {
	Wanted
	ctx    context.Context // ends with the check
	cancel context.CancelFunc
	timer  *time.Timer   // of the next probe, or
	series *check.Series // of the Connector

	machine machine
	past    past
	last    check.Result
	weight  *int32 // the latest that a success asked for
	spread  bool   // the first gap of a whole interval has been
}

// first is the delay of the first probe.
func (e *entry) first() time.Duration {
	if e.certain {
		return 0
	}
	return e.Timing.first()
}

// take notes a result. Where the host could not ask, that is all: else the
// director would take every server out of service because of itself.
func (e *entry) take(started, now time.Time, r check.Result) change {
	e.past.add(Probe{At: started, Duration: r.Duration, OK: r.OK, Error: r.Error})
	e.last = r
	if r.Unasked {
		return change{}
	}
	var c change
	e.machine, c = e.machine.step(e.Timing, r.OK, now)
	if r.OK {
		e.weight = r.Weight
	}
	return c
}

// next is the time from the start of the last probe to the next one's.
func (e *entry) next() time.Duration {
	fast := e.machine.changing()
	gap := e.Timing.gap(fast, !e.spread)
	e.spread = e.spread || !fast
	return gap
}

func sameWeight(a, b *int32) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Probe is one result in a check's history.
type Probe struct {
	At       time.Time     `json:"at"` // start
	Duration time.Duration `json:"duration"`
	OK       bool          `json:"ok"`
	Error    string        `json:"error,omitempty"`
}

// HistoryLength is how many probes of each check are remembered.
const HistoryLength = 20

// past is a ring of the latest probes.
type past struct {
	probes [HistoryLength]Probe
	count  int // of all that were ever added
}

func (p *past) add(probe Probe) {
	p.probes[p.count%HistoryLength] = probe
	p.count++
}

// list gives the probes, the oldest first.
func (p *past) list() []Probe {
	n := min(p.count, HistoryLength)
	list := make([]Probe, 0, n)
	for i := p.count - n; i < p.count; i++ {
		list = append(list, p.probes[i%HistoryLength])
	}
	return list
}

func (p *past) latest() Probe {
	if p.count == 0 {
		return Probe{}
	}
	return p.probes[(p.count-1)%HistoryLength]
}
