package daemon

import (
	"context"
	"net/netip"
	"os"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// Status reads the kernel and says what the daemon knows of it.
func (d *Director) Status(ctx context.Context) (status.Status, error) {
	d.mu.Lock()
	f := d.force
	d.mu.Unlock()
	o := d.judge.observed(f.aim)
	o.Roles = d.roles.current()
	s, err := d.view.status(f.config, d.options.Version, o)
	if err != nil {
		return status.Status{}, err
	}
	s.SetElections(d.roles.status())
	s.Daemon = d.daemonStatus(f)
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
		Services() ([]lvs.Service, error)
		Stats() (map[lvs.ServiceKey]lvs.ServiceStats, error)
		Daemons() ([]lvs.SyncDaemon, error)
	}
	devices interface {
		Addresses() (map[lvs.AddressKey]lvs.Address, error)
		Path(to netip.Addr) (netdev.Path, error)
		Announce(lvs.Address) error
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

// status reads the kernel, and adds what a daemon knows.
func (v view) status(c *config.Config, version string, o status.Observed) (status.Status, error) {
	services, err := v.services.Services()
	if err != nil {
		return status.Status{}, err
	}
	stats, err := v.services.Stats()
	if err != nil {
		return status.Status{}, err
	}
	addresses, err := v.devices.Addresses()
	if err != nil {
		return status.Status{}, err
	}
	daemons, err := v.services.Daemons()
	if err != nil {
		return status.Status{}, err
	}
	o.Services, o.Stats, o.Addresses, o.Daemons = services, stats, addresses, daemons
	s := status.Build(c, o)
	s.Version, s.Time = version, time.Now()
	return s, nil
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
	for _, op := range round.Deferred {
		texts = append(texts, "waits to be tried again: "+op.String())
	}
	return texts
}
