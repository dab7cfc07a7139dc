package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// drainSelf hands every VIP over to another director and keeps this one from taking
// them again, but as the last one alive. The services stay as they are: connections
// that are synchronised go on at the other one. Where nobody takes over, nothing has
// changed in the end.
func (d *Director) drainSelf(ctx context.Context, order control.Order) (control.Ordered, error) {
	c := d.current()
	if err := known(c, override.Self); err != nil {
		return control.Ordered{}, err
	}
	before := d.overrides.Set()
	o := overrideOf(order, time.Now().Round(0))
	if err := d.put(func(s override.Set) override.Set { return s.With(o) }); err != nil {
		return control.Ordered{}, err
	}
	if c.Sync != nil {
		// The kernel has never sent the idle ones.
		if _, err := d.PushConnections(ctx); err != nil {
			d.log().Info("connections not pushed before the handover", "err", err)
		}
	}
	if err := d.roles.drain(ctx); err != nil {
		old, found := before.Get(override.Self)
		d.roles.setDrained(found)
		errBack := d.put(func(s override.Set) override.Set {
			if found {
				return s.With(old)
			}
			return s.Without(override.Self)
		})
		return control.Ordered{}, errors.Join(err, errBack)
	}
	d.noteOverride(o, "drained", o.By)
	return d.orderedSelf(o), nil
}

func (d *Director) orderedSelf(o override.Override) control.Ordered {
	done := control.Ordered{Changed: true, Override: o, Servers: []string{}, Others: []override.Override{}, Errors: []string{}}
	for _, v := range d.current().VRRP {
		if !v.External {
			done.Servers = append(done.Servers, v.Name)
		}
	}
	return done
}

// setDrained changes the priority of every instance: to that of the last resort, or
// back.
func (r *roles) setDrained(drained bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drained == drained {
		return
	}
	r.drained = drained
	r.reconfigure()
}

// drain gives up every instance for good, and returns when others serve what this
// director did.
func (r *roles) drain(ctx context.Context) error {
	start := time.Now()
	active := r.active()
	r.setDrained(true)
	if len(active) == 0 {
		return nil
	}
	if err := r.failover(ctx, ""); err != nil {
		return err
	}
	for {
		alone, waiting := r.handedOver(active, start)
		switch {
		case len(alone) > 0:
			return fmt.Errorf("hand over: no other director has taken over %s, so this one goes on as before", strings.Join(alone, ", "))
		case !waiting:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("hand over: wait for another director to take over: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (r *roles) statuses() map[string]vrrp.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]vrrp.Status{}
	for _, router := range r.routers {
		for _, s := range router.Statuses() {
			all[s.Name] = s
		}
	}
	return all
}

// active are the instances that this director has won.
func (r *roles) active() []string {
	all := r.statuses()
	maps.DeleteFunc(all, func(_ string, s vrrp.Status) bool { return s.State != vrrp.Active })
	return slices.Sorted(maps.Keys(all))
}

// handedOver tells which of the instances came back to this director after a time,
// because nobody wanted them, and whether others are still served here.
func (r *roles) handedOver(names []string, since time.Time) (alone []string, waiting bool) {
	all := r.statuses()
	for _, name := range names {
		s, ok := all[name]
		switch {
		case !ok || s.State == vrrp.Fault:
		case s.State == vrrp.Active && s.Since.After(since):
			alone = append(alone, name)
		case s.State == vrrp.Active || s.Role == lvs.Active:
			waiting = true
		}
	}
	return alone, waiting
}
