package daemon

import (
	"context"
	"net/netip"
	"os"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/plan"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// Status says what was seen of the kernel, as fresh as can be had soon, and what the
// daemon knows of it.
func (d *Director) Status(ctx context.Context) (status.Status, error) {
	d.mu.Lock()
	f := d.force
	d.mu.Unlock()
	seen, err := d.lookout.sight(ctx)
	if err != nil {
		return status.Status{}, err
	}
	o := d.judge.observed(f.aim)
	o.Roles = d.roles.current()
	s := seen.status(f.config, d.options.Version, o)
	s.SetElections(d.roles.status())
	s.SetKnown(d.sharing.known())
	d.guarding.status(&s, f.config, seen.addresses)
	s.Daemon = d.daemonStatus(f)
	s.Verdict = status.Judge(s)
	return s, nil
}

// daemonStatus is what the daemon knows of itself.
func (d *Director) daemonStatus(f force) *status.Daemon {
	drift := d.reconciler.Drift()
	s := &status.Daemon{
		PID:     os.Getpid(),
		Started: d.started,
		Files:   f.config.Files,
		Loaded:  f.loaded,
		Reload:  f.refused,
		Errors:  []string{},
		Drift:   status.Drift(drift),
	}
	if last := d.reconciler.Last(); last != nil {
		s.Checked, s.Round = last.Start, last.Took.Seconds()
		s.InStep, s.Errors = last.OK(), problems(last)
	}
	return s
}

// view is what a status reads of the kernel.
type view struct {
	services interface {
		Read() ([]lvs.Service, map[lvs.ServiceKey]lvs.ServiceStats, error)
		Daemons() ([]lvs.SyncDaemon, error)
		Servers(lvs.ServiceKey) ([]lvs.Server, map[netip.AddrPort]lvs.ServerStats, error)
	}
	devices interface {
		Addresses() (map[lvs.AddressKey]lvs.Address, error)
		Path(to netip.Addr) (netdev.Path, error)
		neighbours
	}
}

// source is the address from which packets to a real server leave, the zero Addr
// if there is no way to it now.
func (v view) source(server netip.Addr) netip.Addr {
	path, err := v.devices.Path(server)
	if err != nil {
		return netip.Addr{}
	}
	return path.Source
}

// status lays what was seen beside a configuration and what a daemon knows.
func (s sight) status(c *config.Config, version string, o status.Observed) status.Status {
	o.Services, o.Stats, o.Addresses, o.Daemons = s.services, s.stats, s.addresses, s.daemons
	now := status.Build(c, o)
	now.Version, now.Time = version, s.at
	return now
}

// problems are the sentences about what a round could not do.
func problems(round *reconcile.Round) []string {
	texts := []string{}
	if round.Err != nil {
		texts = append(texts, round.Err.Error())
	}
	for _, r := range round.Results {
		if r.Err != nil {
			texts = append(texts, r.Err.Error())
		}
	}
	unguarded := guardProblem(round) != nil
	for _, op := range round.Deferred {
		if unguarded && plan.IsGuard(op) {
			continue // one reason is enough
		}
		texts = append(texts, "waits to be tried again: "+op.String())
	}
	return texts
}
