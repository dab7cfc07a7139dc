package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/guard"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// Validate reads a configuration and does nothing with it.
func Validate(ctx context.Context, path string) (*config.Config, error) { return load(ctx, path) }

// ValidateLists reads the lists that a configuration names. A director would do
// without one that is wrong.
func ValidateLists(c *config.Config) error {
	lists := guard.NewLists(slog.New(slog.DiscardHandler))
	lists.Follow(listFiles(c))
	return lists.Err()
}

// Plan says what a director with the configuration at path would change in the
// kernel now. It changes nothing.
func Plan(ctx context.Context, path string) (reconcile.Round, error) {
	c, err := load(ctx, path)
	if err != nil {
		return reconcile.Round{}, err
	}
	k, err := open(ctx, c)
	if err != nil {
		return reconcile.Round{}, err
	}
	defer k.close()
	ledger, err := openLedger(c)
	if err != nil {
		return reconcile.Round{}, err
	}
	// Where a director runs, its checks know how the servers are.
	h, err := control.Dial(socketIn(c.Director.StateDir)).Health(ctx)
	if err != nil && !errors.Is(err, control.ErrNotRunning) {
		return reconcile.Round{}, err
	}
	r, err := once(k, ledger, c, h)
	if err != nil {
		return reconcile.Round{}, err
	}
	round := r.Plan()
	return round, errors.Join(round.Err, ValidateLists(c))
}

// Apply does once what a director with the configuration at path would do. It
// is refused where one runs.
func Apply(ctx context.Context, path string) (reconcile.Round, error) {
	c, err := load(ctx, path)
	if err != nil {
		return reconcile.Round{}, err
	}
	k, err := open(ctx, c)
	if err != nil {
		return reconcile.Round{}, err
	}
	defer k.close()
	lock, err := acquire(c.Director.StateDir)
	if errors.Is(err, errRunning) {
		return reconcile.Round{}, fmt.Errorf("%w; `lvsd reload` makes it read the file", err)
	}
	if err != nil {
		return reconcile.Round{}, err
	}
	defer lock.release()
	ledger, err := openLedger(c)
	if err != nil {
		return reconcile.Round{}, err
	}
	r, err := once(k, ledger, c, control.Health{})
	if err != nil {
		return reconcile.Round{}, err
	}
	round := r.Round(ctx)
	return round, errors.Join(undone(&round), ValidateLists(c))
}

// undone is an error with a line for each thing that a round could not do, nil
// if there is none.
func undone(round *reconcile.Round) error {
	if round.OK() {
		return nil
	}
	return errors.New(strings.Join(problems(round), "\n"))
}

// once is a reconciler without a daemon, which knows of the servers' health and of
// the roles what it is told. A server with checks of which it knows nothing stays as the kernel
// has it; a new one waits.
func once(k *kernel, ledger *reconcile.Ledger, c *config.Config, h control.Health) (*reconcile.Reconciler, error) {
	a, err := newAim(c, k.view().source)
	if err != nil {
		return nil, err
	}
	words, err := openOverrides(c)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	g, err := newGuarding(c, k.guard, log)
	if err != nil {
		return nil, err
	}
	j := newJudge(log, words, g)
	j.snapshot, j.lost = func() health.Snapshot { return h.Snapshot }, h.Lost
	j.roles = func() map[string]lvs.Role { return h.Roles }
	return reconcile.New(k.edges(), ledger, log, a.goal(j)), nil
}

// Status reads the kernel where no daemon runs. A configuration gives the
// services their names; without one all of them are nameless.
func Status(ctx context.Context, c *config.Config, version string) (status.Status, error) {
	t, err := openTables(ctx)
	if err != nil {
		return status.Status{}, err
	}
	defer t.close()
	seen := t.view().look()
	if seen.err != nil {
		return status.Status{}, seen.err
	}
	observed, warnings := status.Observed{}, []string(nil)
	if c.Director.DataDir != "" {
		words, err := openOverrides(c)
		if err != nil {
			warnings = append(warnings, err.Error())
		} else {
			observed.Overrides = words.Set()
		}
	}
	s := seen.status(c, version, observed)
	s.Warnings = append(s.Warnings, warnings...)
	if err := addGuard(&s, c, seen.addresses); err != nil {
		s.Warnings = append(s.Warnings, err.Error())
	}
	s.Verdict = status.Judge(s)
	return s, nil
}

// addGuard adds the guard to a status where no daemon runs: it goes on without one.
func addGuard(s *status.Status, c *config.Config, addresses map[lvs.AddressKey]lvs.Address) error {
	if c.Director.StateDir == "" { // a configuration that could not be read
		return nil
	}
	edge := newGuardEdge(c.Director.StateDir)
	defer edge.close()
	g, err := newGuarding(c, edge, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	g.status(s, c, addresses)
	return nil
}
