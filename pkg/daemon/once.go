package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// Validate reads a configuration and does nothing with it.
func Validate(ctx context.Context, path string) (*config.Config, error) { return load(ctx, path) }

// Plan says what a director with the configuration at path would change in the
// kernel now. It changes nothing.
func Plan(ctx context.Context, path string) (reconcile.Round, error) {
	c, err := load(ctx, path)
	if err != nil {
		return reconcile.Round{}, err
	}
	k, err := open(ctx)
	if err != nil {
		return reconcile.Round{}, err
	}
	defer k.close()
	ledger, err := openLedger(c)
	if err != nil {
		return reconcile.Round{}, err
	}
	round := reconcile.New(k.edges(), ledger, slog.New(slog.DiscardHandler), goal(c, undecided)).Plan()
	return round, round.Err
}

// Apply does once what a director with the configuration at path would do. It
// is refused where one runs.
func Apply(ctx context.Context, path string) (reconcile.Round, error) {
	c, err := load(ctx, path)
	if err != nil {
		return reconcile.Round{}, err
	}
	lock, err := acquire(c.Director.StateDir)
	if err != nil {
		return reconcile.Round{}, fmt.Errorf("%w; `lvsd reload` makes it read the file", err)
	}
	defer lock.release()
	k, err := open(ctx)
	if err != nil {
		return reconcile.Round{}, err
	}
	defer k.close()
	ledger, err := openLedger(c)
	if err != nil {
		return reconcile.Round{}, err
	}
	round := reconcile.New(k.edges(), ledger, slog.New(slog.DiscardHandler), goal(c, undecided)).Round(ctx)
	if !round.OK() {
		errs := []error{round.Err}
		for _, r := range round.Results {
			errs = append(errs, r.Err)
		}
		return round, errors.Join(errs...)
	}
	return round, nil
}

// Status reads the kernel where no daemon runs. A configuration gives the
// services their names; without one all of them are nameless.
func Status(ctx context.Context, c *config.Config, version string) (status.Status, error) {
	k, err := open(ctx)
	if err != nil {
		return status.Status{}, err
	}
	defer k.close()
	return k.status(c, version)
}
