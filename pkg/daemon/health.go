package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/override/store"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// aim is a configuration with the checks that it asks for.
type aim struct {
	config *config.Config
	checks desired.Checks
}

// newAim finds the checks of a configuration. source tells from which address of
// the director packets to a real server leave.
func newAim(c *config.Config, source func(netip.Addr) netip.Addr) (aim, error) {
	checks, err := desired.ChecksOf(c, source)
	if err != nil {
		return aim{}, fmt.Errorf("make the checks: %w", err)
	}
	return aim{config: c, checks: checks}, nil
}

// goal is what a configuration asks of a reconciler where j judges the servers.
func (a aim) goal(j *judge) reconcile.Goal {
	desire := func(observed lvs.State) lvs.State { return j.desire(a, observed) }
	if len(a.checks.Of) == 0 {
		desire = remembered(desire, j.currentRoles, j.overrides.Set, j.guarding.changes)
	}
	return reconcile.Goal{
		Desire: desire,
		Addresses: func(addresses map[lvs.AddressKey]lvs.Address) lvs.State {
			var s lvs.State
			host := desired.Host{Addresses: addresses, Roles: j.currentRoles()}
			s.Addresses, s.Absent = desired.Addresses(a.config, host)
			s.Links = desired.Links(a.config, host)
			if s.Silent = desired.Silent(a.config, addresses); s.Silent {
				s.Daemons = desired.Daemons(a.config, host)
			}
			return s
		},
		Resync:    a.config.Director.Resync,
		Unmanaged: a.config.Director.Unmanaged == config.RemoveUnmanaged,
	}
}

// remembered builds the state anew only for other addresses, roles, overrides or
// inputs of the guard than the last time: without checks nothing else changes it, and
// a large one takes long to build.
func remembered(desire reconcile.Desire, roles func() map[string]lvs.Role, overrides func() override.Set, inputs func() uint64) reconcile.Desire {
	var addresses map[lvs.AddressKey]lvs.Address
	var then map[string]lvs.Role
	var words override.Set
	var seen uint64
	var state lvs.State
	return func(observed lvs.State) lvs.State {
		now, said, input := roles(), overrides(), inputs()
		if addresses == nil || !maps.Equal(addresses, observed.Addresses) || !maps.Equal(then, now) || !slices.Equal(words, said) || seen != input {
			state = desire(observed)
			addresses, then, words, seen = observed.Addresses, now, said, input
			if !maps.Equal(now, roles()) || !slices.Equal(said, overrides()) {
				addresses = nil // nobody knows which of them the state has
			}
		}
		return state
	}
}

// judge turns what the checks say into what the reconciler leads to. It keeps
// what the next judgement must know of the last one.
type judge struct {
	checker   *health.Checker
	overrides *store.Store
	guarding  *guarding
	snapshot  func() health.Snapshot
	roles     func() map[string]lvs.Role // in the VRRP instances; nil: undecided in all

	mu      sync.Mutex
	kick    func()
	hear    func(news)
	timer   *time.Timer // of the next step of a slow start; nil before the first
	lost    map[lvs.ServiceKey]bool
	verdict atomic.Pointer[desired.Verdict] // the last one; who reads it does not wait for the next
}

func newJudge(log *slog.Logger, overrides *store.Store, g *guarding) *judge {
	checker := health.New(log)
	return &judge{checker: checker, overrides: overrides, guarding: g, snapshot: checker.Snapshot, kick: func() {}, hear: func(news) {}}
}

// desire is the desired state now. Where the table could not be read, nothing
// will be done to it, and the judgement is not remembered.
func (j *judge) desire(a aim, observed lvs.State) lvs.State {
	roles := j.currentRoles() // not under the mutex: who tracks a quorum holds it the other way round
	j.mu.Lock()
	defer j.mu.Unlock()
	in := desired.Input{
		Host:      desired.Host{Addresses: observed.Addresses, Roles: roles},
		Overrides: j.overrides.Set(),
		Known:     observed.Services,
		Now:       time.Now(),
		Asks:      a.checks.Asks,
		Lists:     j.guarding.told(a.config),
		Health: desired.Health{
			Checks:   a.checks.Of,
			Snapshot: j.snapshot(),
			Lost:     j.lost,
		},
	}
	v := desired.Judge(a.config, in)
	if observed.Services != nil {
		for _, n := range verdictChanges(a.config, j.judged(), v, in.Now) {
			j.hear(n)
		}
		j.lost = v.Lost()
		j.verdict.Store(&v)
		j.wake(v.Next)
	}
	return desired.BuildFrom(a.config, in, v)
}

func (j *judge) currentRoles() map[string]lvs.Role {
	if j.roles == nil {
		return nil
	}
	return j.roles()
}

// wake starts a round at a time. The caller holds the mutex.
func (j *judge) wake(at time.Time) {
	if j.timer != nil {
		j.timer.Stop()
	}
	if !at.IsZero() {
		j.timer = time.AfterFunc(time.Until(at), j.kick)
	}
}

// run runs the checks, and kicks the reconciler when one changes its state,
// until the context ends. It pauses between two kicks for as long as a round
// takes: when thousands of servers change at once, the checks get their turn too.
func (j *judge) run(ctx context.Context, kick func(), round func() time.Duration) error {
	j.mu.Lock()
	j.kick = kick
	j.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-j.checker.Changes():
				kick()
			}
			select {
			case <-ctx.Done():
			case <-time.After(round()):
			}
		}
	}()
	err := j.checker.Run(ctx)
	<-ended
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kick = func() {}
	j.wake(time.Time{})
	return err
}

// judged is the last verdict, an empty one before the first.
func (j *judge) judged() desired.Verdict {
	if v := j.verdict.Load(); v != nil {
		return *v
	}
	return desired.Verdict{}
}

// observed is what the checks say of the servers of a configuration. It waits for no
// judgement.
func (j *judge) observed(a aim) status.Observed {
	return status.Observed{
		Health:    desired.Health{Checks: a.checks.Of, Snapshot: j.snapshot()},
		Verdict:   j.judged(),
		Overrides: j.overrides.Set(),
	}
}

// Health gives what all checks say.
func (d *Director) Health(context.Context) (control.Health, error) {
	return control.Health{Roles: d.judge.currentRoles(), Snapshot: d.judge.snapshot(), Lost: d.judge.judged().Lost()}, nil
}

// addressesChanged starts a round. The source of checks through the VIP may be
// another one now.
func (d *Director) addressesChanged() {
	d.reconciler.Kick()
	d.roles.recheck()
	d.findSources() // it may have to wait for a reload
}

func (d *Director) findSources() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.mu.Lock()
	f := d.force
	d.mu.Unlock()
	if len(desired.Helpers(f.config)) == 0 {
		return
	}
	a, err := newAim(f.config, d.view.source)
	if err != nil || slices.Equal(a.checks.Asks, f.checks.Asks) {
		return // what was valid is; nothing else can be wrong
	}
	d.mu.Lock()
	d.force.aim = a
	d.mu.Unlock()
	d.judge.checker.Update(a.checks.Wanted)
	d.reconciler.Aim(a.goal(d.judge))
}

// Probes tells the latest probes of each check of a real server, behind each key
// of its virtual service.
func (d *Director) Probes(_ context.Context, virtual, server string) ([]status.Probes, error) {
	d.mu.Lock()
	a := d.force.aim
	d.mu.Unlock()
	list := status.ProbesOf(a.config, d.judge.observed(a).Health, virtual, server)
	if list == nil {
		return nil, fmt.Errorf("the configuration has no server %s/%s with checks", virtual, server)
	}
	for i := range list {
		list[i].Add(d.judge.checker.History(list[i].Key))
	}
	return list, nil
}
