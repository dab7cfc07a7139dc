package daemon

import (
	"context"
	"os"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// Status reads the kernel and says what the daemon knows of it.
func (d *Director) Status(ctx context.Context) (status.Status, error) {
	d.mu.Lock()
	f := d.force
	d.mu.Unlock()
	s, err := d.view.status(f.config, d.options.Version)
	if err != nil {
		return status.Status{}, err
	}
	drift := d.reconciler.Drift()
	s.Daemon = &status.Daemon{
		PID:     os.Getpid(),
		Started: d.started,
		Files:   f.config.Files,
		Loaded:  f.loaded,
		Reload:  f.refused,
		Errors:  []string{},
		Drift:   status.Drift(drift),
	}
	if last := d.reconciler.Last(); last != nil {
		s.Daemon.Checked, s.Daemon.Round = last.Start, last.Took.Seconds()
		s.Daemon.InStep, s.Daemon.Errors = last.OK(), problems(last)
	}
	return s, nil
}

// view is what a status reads of the kernel.
type view struct {
	services interface {
		Services() ([]lvs.Service, error)
		Stats() (map[lvs.ServiceKey]lvs.ServiceStats, error)
	}
	devices interface {
		Addresses() (map[lvs.AddressKey]lvs.Address, error)
	}
}

// status reads the kernel without a daemon's help.
func (v view) status(c *config.Config, version string) (status.Status, error) {
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
	s := status.Build(c, status.Observed{Services: services, Stats: stats, Addresses: addresses})
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
