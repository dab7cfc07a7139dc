// Package reconcile keeps the kernel as desired: it is the only writer. A round
// observes the kernel, asks for the desired state, plans the difference and
// applies it; a kick, a timer or an event from the kernel starts one. A failed
// operation is tried again with back-off and stops no other. Nothing is ever
// flushed, and what lvsd neither made nor was told of is not touched.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// Desire gives the desired state for a kernel with these addresses and services;
// there are no services if the table could not be read.
type Desire func(observed lvs.State) lvs.State

// Goal is what the rounds lead to. Addresses is the part of Desire that Readdress
// needs, with the sync daemons if IPVS is to be silent while one is a backup; nil
// gives up Readdress.
type Goal struct {
	Desire    Desire
	Addresses func(addresses map[lvs.AddressKey]lvs.Address) lvs.State
	Resync    time.Duration // longest time between two rounds
	Unmanaged bool          // services that nobody wants are removed, whoever made them
}

// Result is one operation of a round and its error, nil where it was done.
type Result struct {
	Op    plan.Op
	Err   error
	Drift bool // it undoes what somebody else did
}

// Round is what one round saw and did.
type Round struct {
	Start    time.Time
	Took     time.Duration
	Want     lvs.State
	Have     lvs.State // as observed, before the operations
	Results  []Result
	Deferred []plan.Op // what waits: for its back-off, or for another operation to succeed
	Outdated []plan.Op // what Readdress has decided anew since the round looked; the next round sees what came of it
	Err      error     // what could not be read or remembered

	lane  int  // number of the lane's last change before the observation
	blind bool // something else than the guard could not be read or remembered
}

// OK tells whether the kernel is as desired after the round.
func (r Round) OK() bool {
	return r.Err == nil && len(r.Deferred) == 0 && r.Failed() == 0
}

// Failed counts the operations with an error.
func (r Round) Failed() int { return r.count(func(r Result) bool { return r.Err != nil }) }

// Drift counts the operations that undid what somebody else did.
func (r Round) Drift() int { return r.count(func(r Result) bool { return r.Drift && r.Err == nil }) }

func (r Round) count(is func(Result) bool) int {
	n := 0
	for _, result := range r.Results {
		if is(result) {
			n++
		}
	}
	return n
}

// Drift sums up what others changed in the kernel and rounds put right.
type Drift struct {
	Repaired int
	Last     time.Time // zero if there was none
	Op       string    // the last one
}

func (d Drift) after(round Round) Drift {
	for _, result := range round.Results {
		if result.Drift && result.Err == nil {
			d.Repaired++
			d.Last, d.Op = round.Start, result.Op.String()
		}
	}
	return d
}

// Reconciler runs rounds, one at a time.
type Reconciler struct {
	kernel Kernel
	ledger *Ledger
	log    *slog.Logger
	last   atomic.Pointer[Round]
	drift  atomic.Pointer[Drift]
	kick   chan struct{}
	after  func(Round) // called after each round

	lane     lane
	complete atomic.Int64 // number of the goal whose services are all there

	mu      sync.Mutex
	goal    Goal
	aimed   int64        // number of the goal
	waiters []chan Round // for the first round that begins from now on

	retry   backoff
	reading attempt           // of the observation
	wanted  *lvs.State        // what the last round wanted; nil before the first
	open    map[string]string // operations that the last round left undone, with their errors
	unread  string            // the last round's error of observation
}

// New makes a reconciler that has done nothing yet.
func New(k Kernel, l *Ledger, log *slog.Logger, g Goal) *Reconciler {
	r := &Reconciler{
		kernel: k, ledger: l, log: log, kick: make(chan struct{}, 1), after: func(Round) {}, retry: backoff{}, goal: g, aimed: 1,
	}
	r.drift.Store(&Drift{})
	return r
}

// OnRound has a function called with each round after it, for whoever tells
// people; it must not wait for anything. It is set before Run.
func (r *Reconciler) OnRound(after func(Round)) { r.after = after }

// Aim changes the goal and starts a round. The channel gives the first round
// that led to the new goal, when it is over.
func (r *Reconciler) Aim(g Goal) <-chan Round {
	r.mu.Lock()
	r.goal = g
	r.aimed++
	r.mu.Unlock()
	return r.Await()
}

// Await starts a round. The channel gives the first one that began after the call,
// when it is over.
func (r *Reconciler) Await() <-chan Round {
	first := make(chan Round, 1)
	r.mu.Lock()
	r.waiters = append(r.waiters, first)
	r.mu.Unlock()
	r.Kick()
	return first
}

// Kick starts a round soon. It never blocks.
func (r *Reconciler) Kick() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// Last is what remains of the round that ended last: its problems. It is nil
// before the first.
func (r *Reconciler) Last() *Round { return r.last.Load() }

// Drift is what was repaired since the start.
func (r *Reconciler) Drift() Drift { return *r.drift.Load() }

// Run runs rounds until the context ends: one at once, then one at every kick
// and at the latest after the goal's resync time. first is called after the
// first round.
func (r *Reconciler) Run(ctx context.Context, first func()) {
	for ctx.Err() == nil {
		r.Round(ctx)
		if first != nil {
			first()
			first = nil
		}
		r.wait(ctx, r.pause())
	}
}

func (r *Reconciler) wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-r.kick:
	case <-timer.C:
	}
}

// pause is the time to the next round that nothing else starts.
func (r *Reconciler) pause() time.Duration {
	r.mu.Lock()
	pause := r.goal.Resync
	r.mu.Unlock()
	for _, a := range append(slices.Collect(maps.Values(r.retry)), r.reading) {
		if a.delay > 0 {
			pause = min(pause, max(time.Until(a.due), 0))
		}
	}
	return pause
}

// Plan says what a round would do now, and does nothing. The round's results
// have no errors.
func (r *Reconciler) Plan() Round {
	return r.look(r.goal)
}

// Round observes, plans and applies once.
func (r *Reconciler) Round(ctx context.Context) Round {
	r.mu.Lock()
	goal, aimed, waiters := r.goal, r.aimed, r.waiters
	r.waiters = nil
	r.mu.Unlock()
	round := r.round(ctx, goal, aimed)
	for _, w := range waiters {
		w <- round
	}
	return round
}

func (r *Reconciler) round(ctx context.Context, goal Goal, aimed int64) Round {
	round := r.look(goal)
	r.reading = r.reading.after(round.Err)
	ops := make([]plan.Op, 0, len(round.Results))
	for _, result := range round.Results {
		ops = append(ops, result.Op)
	}
	if err := r.lane.do(func() error { return r.ledger.claim(round.Want, ops) }); err != nil {
		round.Err, round.blind = errors.Join(round.Err, err), true
	}
	r.retry.keep(ops)
	r.apply(ctx, &round, ops)
	r.markDrift(&round)
	if err := r.lane.do(func() error { return r.ledger.release(done(round.Results)) }); err != nil {
		round.Err, round.blind = errors.Join(round.Err, err), true
	}
	r.completed(aimed, round)
	round.Took = time.Since(round.Start)
	r.report(round)
	r.remember(round)
	drift := r.drift.Load().after(round)
	r.drift.Store(&drift)
	r.last.Store(round.remains())
	r.after(round)
	return round
}

// remains is what is worth keeping of a round: not the tables, nor the thousands
// of operations of a first fill that went well.
func (r Round) remains() *Round {
	r.Want, r.Have = lvs.State{}, lvs.State{}
	r.Results = slices.DeleteFunc(slices.Clone(r.Results), func(r Result) bool { return r.Err == nil })
	return &r
}

// look observes and plans.
func (r *Reconciler) look(goal Goal) Round {
	round := Round{Start: time.Now(), lane: r.lane.number()}
	host, err := r.kernel.host()
	if err != nil {
		round.Err, round.blind = err, true
		return round
	}
	r.lane.see(round, host.Addresses)
	errTable := r.kernel.observeTable(&host)
	round.Want = goal.Desire(host)
	round.Have, round.Err = r.kernel.observe(round.Want, host)
	round.Err = errors.Join(errTable, round.Err)
	round.blind = round.Err != nil
	// Without a guard, the director does all the rest.
	round.Err = errors.Join(round.Err, r.kernel.observeGuard(&round.Have, round.Want))
	owned := r.lane.owned(r.ledger, round)
	if goal.Unmanaged {
		owned.Services = keys(round.Have.Services)
	}
	for _, op := range plan.Diff(round.Want, round.Have, owned) {
		round.Results = append(round.Results, Result{Op: op})
	}
	return round
}

// apply does the operations in order and puts down what came of each. Changes
// of the IPVS table that follow each other go to the kernel together.
func (r *Reconciler) apply(ctx context.Context, round *Round, ops []plan.Op) {
	failed := failures{servers: map[lvs.ServiceKey]map[netip.AddrPort]bool{}}
	round.Results = make([]Result, 0, len(ops))
	for len(ops) > 0 && ctx.Err() == nil {
		batch := leading(ops)
		ops = ops[len(batch):]
		leave := r.lane.enter(batch)
		var due []plan.Op
		for _, op := range batch {
			held := failed.hold(op, round.Want)
			if held {
				r.retry.forget(op)
			}
			switch {
			case held || r.retry.waits(op):
				round.Deferred = append(round.Deferred, op)
				failed.note(op)
			case r.lane.outdated(op, round):
				round.Outdated = append(round.Outdated, op)
			default:
				due = append(due, op)
			}
		}
		for i, err := range r.applyBatch(ctx, due) {
			r.retry.note(due[i], err)
			if err != nil {
				failed.note(due[i])
			}
			if ofLane(due[i]) {
				r.lane.did(due[i], err)
			}
			round.Results = append(round.Results, Result{Op: due[i], Err: err})
		}
		leave()
	}
	round.Deferred = append(round.Deferred, ops...)
}

// leading gives the operations to do together: the first one, or all changes of
// the table up to where changes that shrink a service begin or end.
func leading(ops []plan.Op) []plan.Op {
	first, ok := ops[0].(plan.Table)
	if !ok {
		return ops[:1]
	}
	for i, op := range ops {
		if t, ok := op.(plan.Table); !ok || t.Shrinks() != first.Shrinks() {
			return ops[:i]
		}
	}
	return ops
}

func (r *Reconciler) applyBatch(ctx context.Context, ops []plan.Op) []error {
	if len(ops) == 0 {
		return nil
	}
	if _, ok := ops[0].(plan.Table); !ok {
		return []error{r.kernel.do(ctx, ops[0])}
	}
	changes := make([]lvs.Change, len(ops))
	for i, op := range ops {
		changes[i] = op.(plan.Table).Change
	}
	return r.kernel.Table.Apply(ctx, changes)
}

// failures are what was not done in a round and others depend on, because the kernel
// refused it or because it has to wait.
type failures struct {
	servers map[lvs.ServiceKey]map[netip.AddrPort]bool // that could not be brought up
	guard   bool                                       // is not loaded
}

// note notes that an operation was not done.
func (f *failures) note(op plan.Op) {
	switch op := op.(type) {
	case plan.GuardLoad:
		f.guard = true
	case plan.Table:
		if op.Server == nil {
			return
		}
		if f.servers[op.Service.Key] == nil {
			f.servers[op.Service.Key] = map[netip.AddrPort]bool{}
		}
		f.servers[op.Service.Key][op.Server.Key] = true
	}
}

// hold tells whether an operation must wait because it takes capacity from a
// service none of whose wanted servers is there yet, or because it changes a
// guard that is not loaded.
func (f *failures) hold(op plan.Op, want lvs.State) bool {
	if f.guard && plan.IsGuard(op) {
		return true
	}
	t, ok := op.(plan.Table)
	if !ok || !t.Shrinks() || f.servers[t.Service.Key] == nil {
		return false
	}
	service := want.Services[t.Service.Key]
	should := plan.Serves(service, func(netip.AddrPort) bool { return true })
	return should && !plan.Serves(service, func(k netip.AddrPort) bool { return !f.servers[t.Service.Key][k] })
}

// markDrift finds the operations that nothing in the configuration asked for
// since the last round, and that it did not leave undone: somebody else changed
// the kernel.
func (r *Reconciler) markDrift(round *Round) {
	if r.wanted == nil || len(round.Results) == 0 {
		return
	}
	expected := map[string]bool{}
	for _, op := range plan.Diff(round.Want, *r.wanted, everything(*r.wanted)) {
		expected[op.String()] = true
	}
	for i, result := range round.Results {
		text := result.Op.String()
		_, wasOpen := r.open[text]
		round.Results[i].Drift = !expected[text] && !wasOpen
	}
}

// remember keeps what the next round needs to tell drift from change, and an
// old error from a new one.
func (r *Reconciler) remember(round Round) {
	if round.Want.Services == nil {
		return
	}
	r.wanted = &round.Want
	open := map[string]string{}
	for _, op := range slices.Concat(round.Deferred, round.Outdated) {
		open[op.String()] = r.open[op.String()]
	}
	for _, result := range round.Results {
		if result.Err != nil {
			open[result.Op.String()] = result.Err.Error()
		}
	}
	r.open = open
}

// everything owns the whole of a state.
func everything(s lvs.State) plan.Owned {
	return plan.Owned{Services: keys(s.Services), Addresses: keys(s.Addresses), Links: keys(s.Links), Daemons: keys(s.Daemons)}
}

func keys[K comparable, V any](m map[K]V) map[K]bool {
	set := make(map[K]bool, len(m))
	for key := range m {
		set[key] = true
	}
	return set
}

func done(results []Result) []plan.Op {
	var ops []plan.Op
	for _, result := range results {
		if result.Err == nil {
			ops = append(ops, result.Op)
		}
	}
	return ops
}
