package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
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
	return reconcile.Goal{
		Desire:    func(observed lvs.State) lvs.State { return j.desire(a, observed) },
		Resync:    a.config.Director.Resync,
		Unmanaged: a.config.Director.Unmanaged == config.RemoveUnmanaged,
	}
}

// judge turns what the checks say into what the reconciler leads to. It keeps
// what the next judgement must know of the last one.
type judge struct {
	checker *health.Checker

	mu      sync.Mutex
	kick    func()
	timer   *time.Timer // of the next step of a slow start; nil before the first
	lost    map[lvs.ServiceKey]bool
	verdict desired.Verdict
}

func newJudge(log *slog.Logger) *judge {
	return &judge{checker: health.New(log), kick: func() {}}
}

// desire is the desired state now. Where the table could not be read, nothing
// will be done to it, and the judgement is not remembered.
func (j *judge) desire(a aim, observed lvs.State) lvs.State {
	j.mu.Lock()
	defer j.mu.Unlock()
	in := desired.Input{
		Host:  desired.Host{Addresses: observed.Addresses},
		Known: observed.Services,
		Now:   time.Now(),
		Asks:  a.checks.Asks,
		Health: desired.Health{
			Checks:   a.checks.Of,
			Snapshot: j.checker.Snapshot(),
			Lost:     j.lost,
		},
	}
	v := desired.Judge(a.config, in)
	if observed.Services != nil {
		j.lost, j.verdict = v.Lost(), v
		j.wake(v.Next)
	}
	return desired.BuildFrom(a.config, in, v)
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
// until the context ends.
func (j *judge) run(ctx context.Context, kick func()) error {
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

// observed is what the checks say of the servers of a configuration.
func (j *judge) observed(a aim) status.Observed {
	j.mu.Lock()
	defer j.mu.Unlock()
	return status.Observed{
		Health:  desired.Health{Checks: a.checks.Of, Snapshot: j.checker.Snapshot()},
		Verdict: j.verdict,
	}
}

// Probes tells the latest probes of each check of a real server, behind each key
// of its virtual service.
func (d *Director) Probes(_ context.Context, virtual, server string) ([]status.Probes, error) {
	d.mu.Lock()
	a := d.aim
	d.mu.Unlock()
	list := status.ProbesOf(a.config, d.judge.observed(a).Health, virtual, server)
	if list == nil {
		return nil, fmt.Errorf("the configuration has no server %s/%s with checks", virtual, server)
	}
	for i := range list {
		list[i].Probes = append(list[i].Probes, d.judge.checker.History(list[i].Key)...)
	}
	return list, nil
}
