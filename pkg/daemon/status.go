package daemon

import (
	"context"
	"os"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// Status reads the kernel and says what the daemon knows of it.
func (d *Director) Status(ctx context.Context) (status.Status, error) {
	d.mu.Lock()
	c, loaded, refused := d.config, d.loaded, d.refused
	d.mu.Unlock()
	s, err := d.kernel.status(c, d.options.Version)
	if err != nil {
		return status.Status{}, err
	}
	s.SetElections(d.roles.status())
	drift := d.reconciler.Drift()
	s.Daemon = &status.Daemon{
		PID:     os.Getpid(),
		Started: d.started,
		Files:   c.Files,
		Loaded:  loaded,
		Reload:  refused,
		Errors:  []string{},
		Drift:   status.Drift(drift),
	}
	if last := d.reconciler.Last(); last != nil {
		s.Daemon.Checked, s.Daemon.Round = last.Start, last.Took.Seconds()
		s.Daemon.InStep, s.Daemon.Errors = last.OK(), problems(last)
	}
	return s, nil
}

// status reads the kernel without a daemon's help.
func (k *kernel) status(c *config.Config, version string) (status.Status, error) {
	services, err := k.table.Services()
	if err != nil {
		return status.Status{}, err
	}
	stats, err := k.table.Stats()
	if err != nil {
		return status.Status{}, err
	}
	addresses, err := k.devices.Addresses()
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
