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
	a, loaded, refused := d.aim, d.loaded, d.refused
	d.mu.Unlock()
	c := a.config
	s, err := d.kernel.status(c, d.options.Version, d.judge.observed(a))
	if err != nil {
		return status.Status{}, err
	}
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

// status reads the kernel, and adds what a daemon knows.
func (k *kernel) status(c *config.Config, version string, o status.Observed) (status.Status, error) {
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
	o.Services, o.Stats, o.Addresses = services, stats, addresses
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
