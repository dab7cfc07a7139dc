package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// Unguard takes the guard away and nothing else. No round may run beside it or
// after it.
func (r *Reconciler) Unguard(ctx context.Context) error {
	have, err := r.kernel.Guard.Observe(nil)
	if err != nil {
		return fmt.Errorf("read the guard: %w", err)
	}
	var errs []error
	for _, op := range plan.Diff(lvs.State{}, lvs.State{Guard: have}, plan.Owned{}) {
		err := r.kernel.do(ctx, op)
		r.reportOne(Result{Op: op, Err: err})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
