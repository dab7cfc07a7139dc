package daemon

import (
	"context"

	"github.com/lvsd/lvsd/pkg/metrics"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// sample is what the metrics show. It reads the kernel by the sockets of the
// status, so that it does not wait for a round.
func (d *Director) sample(ctx context.Context) (metrics.Sample, error) {
	d.mu.Lock()
	f := d.force
	d.mu.Unlock()
	s := metrics.Sample{Receivers: d.notifier.Status()}
	now, err := d.Status(ctx)
	if err != nil {
		s.Status = status.Status{Director: f.config.Director.Name, Daemon: d.daemonStatus(f)}
		return s, err
	}
	s.Status = now
	return s, nil
}

// roundDone counts a round and tells of it, also those who watch the page.
func (d *Director) roundDone(round reconcile.Round) {
	failed := round.Failed()
	d.metrics.Round(round.Took, round.OK(), len(round.Results)-failed, failed)
	d.guarding.roundDone(round)
	d.tellRound(round)
	d.web.Kick()
}
