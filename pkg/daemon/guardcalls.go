package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/guard"
	"github.com/lvsd/lvsd/pkg/plan"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// Block drops what comes from a network.
func (d *Director) Block(ctx context.Context, network netip.Prefix, period time.Duration, by string) error {
	if d.current().Guard == nil {
		return fmt.Errorf("block %s: the configuration has no [guard]", network)
	}
	block := guard.Block{Prefix: network.Masked(), By: by, Since: time.Now().Round(0)}
	if period > 0 {
		block.Until = block.Since.Add(period)
	}
	if err := d.guarding.blocks.Add(block); err != nil {
		return err
	}
	d.log().Info("network blocked", "network", block.Prefix, "by", by, "until", block.Until)
	return d.guardNow(ctx, fmt.Sprintf("block %s", network))
}

// Unblock ends what Block began.
func (d *Director) Unblock(ctx context.Context, network netip.Prefix) error {
	if err := d.guarding.blocks.Remove(network.Masked(), time.Now()); err != nil {
		return err
	}
	d.log().Info("network unblocked", "network", network.Masked())
	return d.guardNow(ctx, fmt.Sprintf("unblock %s", network))
}

// guardNow waits until the kernel has followed what the guard is told.
func (d *Director) guardNow(ctx context.Context, what string) error {
	d.guarding.inputs.Add(1)
	select {
	case d.guarding.wake <- struct{}{}:
	default:
	}
	var round reconcile.Round
	select {
	case round = <-d.again():
	case <-ctx.Done():
		return fmt.Errorf("%s: wait for the kernel to follow: %w", what, ctx.Err())
	}
	if err := guardProblem(&round); err != nil {
		return fmt.Errorf("%s: it is noted, but the guard does not do it yet: %w", what, err)
	}
	return nil
}

// again starts a round for the configuration in force.
func (d *Director) again() <-chan reconcile.Round {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.mu.Lock()
	a := d.force.aim
	d.mu.Unlock()
	return d.reconciler.Aim(a.goal(d.judge))
}

// GuardTop gives who sends most.
func (d *Director) GuardTop(context.Context) (status.GuardTop, error) {
	talkers, err := d.guarding.kernel.Talkers(mostTalkers)
	if err != nil {
		return status.GuardTop{}, fmt.Errorf("read who sends most: %w", err)
	}
	top := status.GuardTop{Time: time.Now(), Talkers: []status.GuardTalker{}, Samples: []status.GuardSample{}}
	for _, t := range talkers {
		top.Talkers = append(top.Talkers, status.GuardTalker(t))
	}
	d.guarding.mu.Lock()
	defer d.guarding.mu.Unlock()
	for _, s := range d.guarding.samples {
		top.Samples = append(top.Samples, status.GuardSample{
			Time: s.Time, Interface: s.Interface, Reason: s.Reason.String(), Dropped: s.Dropped, Packet: guard.Describe(s.Head),
		})
	}
	return top, nil
}

// GuardTest runs the guard's program on a made packet.
func (d *Director) GuardTest(_ context.Context, p status.GuardProbe) (status.GuardVerdict, error) {
	frame := guard.Frame(p.Protocol, p.Source, p.Target)
	verdict, err := d.guarding.kernel.Test(frame)
	if err != nil {
		return status.GuardVerdict{}, fmt.Errorf("test the guard: %w", err)
	}
	c := d.current()
	addresses, err := d.view.devices.Addresses()
	if err != nil {
		return status.GuardVerdict{}, err
	}
	want := desired.Guard(c, desired.Host{Addresses: addresses}, d.guarding.told(c))
	return status.ExplainGuard(guard.Describe(frame), verdict, p, want, d.guarding.blocks.List(time.Now())), nil
}

// listsChanged reads the lists again, and has the kernel follow.
func (d *Director) listsChanged() {
	if d.guarding.refresh() {
		d.reconciler.Kick()
	}
}

// unguard takes the guard away where the configuration asks for that at the end.
func (d *Director) unguard() error {
	g := d.current().Guard
	if g == nil || g.OnStop != config.DetachGuard {
		return nil
	}
	d.log().Info("the guard is taken away")
	if err := d.reconciler.Unguard(context.Background()); err != nil {
		return fmt.Errorf("take the guard away: %w", err)
	}
	return nil
}

// guardProblem is the first thing about the guard that a round did not do, nil if
// there is none.
func guardProblem(round *reconcile.Round) error {
	waits, failed := guardFaults(round)
	switch {
	case failed != nil:
		return failed
	case waits != nil:
		return fmt.Errorf("%s: waits to be tried again", waits)
	}
	return nil
}

// guardFaults are the first operation on the guard that waits after a round, and the
// first error of one that was tried; nil if there is none.
func guardFaults(round *reconcile.Round) (waits plan.Op, failed error) {
	for _, r := range round.Results {
		if r.Err != nil && plan.IsGuard(r.Op) {
			failed = r.Err
			break
		}
	}
	for _, op := range round.Deferred {
		if plan.IsGuard(op) {
			return op, failed
		}
	}
	return nil, failed
}

// lines are the lines of an error, none of nil.
func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}
