package reconcile

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// lane lets addresses and sync daemons be changed beside a round that is under way.
// Its lock is held while they change and while the ledger does.
type lane struct {
	mu   sync.Mutex
	n    int                            // changes so far
	seen map[lvs.AddressKey]lvs.Address // the host's addresses, as far as is known; nil if it is not
}

// see keeps the addresses that a round has observed, unless the lane has changed some
// meanwhile.
func (l *lane) see(round Round, addresses map[lvs.AddressKey]lvs.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == round.lane {
		l.seen = maps.Clone(addresses)
	}
}

// did keeps what an operation has done to the addresses. After one that failed they
// are not known any more. The caller has entered the lane.
func (l *lane) did(op plan.Op, err error) {
	a, ok := op.(plan.Address)
	switch {
	case err != nil || !ok && ofLane(op):
		l.seen = nil // with an interface its addresses go
	case !ok || l.seen == nil:
	case a.Verb == lvs.Delete:
		delete(l.seen, a.AddressKey)
	default:
		l.seen[a.AddressKey] = a.Address
	}
}

func (l *lane) number() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

func (l *lane) do(f func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return f()
}

// owned gives the keys of lvsd's own after what the round has seen. If the lane
// has changed something meanwhile, the round has not seen it.
func (l *lane) owned(ledger *Ledger, round Round) plan.Owned {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !round.blind && l.n == round.lane {
		ledger.prune(round.Want, round.Have)
	}
	return plan.Owned{
		Services:  maps.Clone(ledger.owned.Services),
		Addresses: maps.Clone(ledger.owned.Addresses),
		Links:     maps.Clone(ledger.owned.Links),
		Daemons:   maps.Clone(ledger.owned.Daemons),
	}
}

// enter keeps the lane free while a round does what the lane may do.
func (l *lane) enter(batch []plan.Op) (leave func()) {
	if !ofLane(batch[0]) {
		return func() {}
	}
	l.mu.Lock()
	return l.mu.Unlock
}

// outdated tells whether the lane was used since the round that planned the
// operation observed the kernel. The caller has entered the lane.
func (l *lane) outdated(op plan.Op, round *Round) bool {
	return ofLane(op) && l.n != round.lane
}

// ofLane tells whether an operation is one that the lane does too.
func ofLane(op plan.Op) bool {
	switch op.(type) {
	case plan.Address, plan.Link, plan.Daemon:
		return true
	}
	return false
}

// adds tells whether an operation makes an address or an interface for one.
func adds(op plan.Op) bool {
	switch op := op.(type) {
	case plan.Address:
		return op.Verb == lvs.Add
	case plan.Link:
		return op.Verb == lvs.Add
	}
	return false
}

// completed notes after a round whether the services of its goal are all there.
func (r *Reconciler) completed(aimed int64, round Round) {
	complete := !round.blind
	for _, op := range round.Deferred {
		_, table := op.(plan.Table)
		complete = complete && !table
	}
	for _, result := range round.Results {
		_, table := result.Op.(plan.Table)
		complete = complete && (!table || result.Err == nil)
	}
	if !complete {
		aimed = 0
	}
	r.complete.Store(aimed)
}

// Readdress makes the addresses, and the interfaces made for some, as desired at
// once, beside a round that is under way: who takes over must not wait until a large
// table has been read. So it makes the sync daemons where they decide whether IPVS
// forwards. Addresses are added only if the last round left the services of the goal
// complete. A round follows in any case, and tries again what failed here; so the
// addresses are not read anew if they are known.
func (r *Reconciler) Readdress(ctx context.Context) {
	defer r.Kick()
	r.mu.Lock()
	goal, aimed := r.goal, r.aimed
	r.mu.Unlock()
	if goal.Addresses == nil {
		return
	}
	results, err := r.readdress(ctx, goal, aimed)
	// Only now: a log may be slow.
	for _, result := range results {
		r.reportOne(result)
	}
	if err != nil {
		r.log.Error("addresses not read or keys not kept", "err", err)
	}
}

// known gives the addresses that the host has. The caller has entered the lane.
func (r *Reconciler) known() (lvs.State, error) {
	if r.lane.seen == nil {
		return r.kernel.host()
	}
	return lvs.State{Addresses: maps.Clone(r.lane.seen)}, nil
}

func (r *Reconciler) readdress(ctx context.Context, goal Goal, aimed int64) ([]Result, error) {
	r.lane.mu.Lock()
	defer r.lane.mu.Unlock()
	r.lane.n++
	have, err := r.known()
	if err != nil {
		return nil, err
	}
	want := goal.Addresses(have.Addresses)
	if want.Silent {
		have.Daemons = want.Daemons // if they cannot be read: the addresses matter more
		err = r.kernel.observeDaemons(&have)
	}
	if len(want.Links)+len(r.ledger.owned.Links) > 0 {
		have.Links = want.Links
		err = errors.Join(err, r.kernel.observeLinks(&have))
	}
	ops := plan.Takeover(want, have, r.ledger.owned)
	err = errors.Join(err, r.ledger.claim(lvs.State{}, ops))
	var results []Result
	for _, op := range ops {
		if adds(op) && r.complete.Load() != aimed {
			continue
		}
		err := r.kernel.do(ctx, op)
		r.lane.did(op, err)
		results = append(results, Result{Op: op, Err: err})
	}
	return results, errors.Join(err, r.ledger.release(done(results)))
}
