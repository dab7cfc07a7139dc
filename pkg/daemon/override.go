package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/override/store"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

func openOverrides(c *config.Config) (*store.Store, error) { return store.Open(c.Director.DataDir) }

// Override puts a word of the operator in force and returns when the kernel was
// compared with it.
func (d *Director) Override(ctx context.Context, order control.Order) (control.Ordered, error) {
	c := d.current()
	if order.Target == override.Self {
		return d.drainSelf(ctx, order)
	}
	if err := known(c, order.Target); err != nil {
		return control.Ordered{}, err
	}
	o := overrideOf(order, time.Now().Round(0))
	done, err := d.order(ctx, c, o, func(s override.Set) override.Set { return s.With(o) })
	if err == nil {
		d.noteOverride(o, verb(o), o.By)
	}
	return done, err
}

func overrideOf(order control.Order, now time.Time) override.Override {
	o := override.Override{
		Target: order.Target, Weight: order.Weight, Since: now, By: order.By, Reason: order.Reason, Remove: order.Remove,
	}
	if order.Remove && order.Deadline > 0 {
		o.Deadline = now.Add(order.Deadline)
	}
	return o
}

// Enable takes the word about a target back. What the configuration does not have
// any more can be taken back as well.
func (d *Director) Enable(ctx context.Context, t override.Target, by string) (control.Ordered, error) {
	c := d.current()
	o, found := d.overrides.Set().Get(t)
	if !found {
		if err := known(c, t); err != nil {
			return control.Ordered{}, err
		}
		o.Target = t
		return d.ordered(c, o, false), nil
	}
	var done control.Ordered
	var err error
	if t == override.Self {
		done, err = d.enableSelf(o)
	} else {
		done, err = d.order(ctx, c, o, func(s override.Set) override.Set { return s.Without(t) })
	}
	if err == nil {
		o.Reason = ""
		d.noteOverride(o, "as configured again", by)
	}
	return done, err
}

// verb says what an override does, in a sentence.
func verb(o override.Override) string {
	if o.Drains() {
		return "drained"
	}
	return fmt.Sprintf("set to weight %d", o.Weight)
}

// order changes the overrides and has the kernel follow.
func (d *Director) order(ctx context.Context, c *config.Config, o override.Override, change func(override.Set) override.Set) (control.Ordered, error) {
	if err := d.overrides.Change(func(s override.Set) (override.Set, error) { return change(s), nil }); err != nil {
		return control.Ordered{}, err
	}
	first := d.reconciler.Await()
	d.drains.wake()
	done := d.ordered(c, o, true)
	var round reconcile.Round
	select {
	case round = <-first:
	case <-ctx.Done():
		return done, fmt.Errorf("wait for the kernel to follow %s: %w", o.Target, ctx.Err())
	}
	done.Errors = problems(&round)
	return done, nil
}

// ordered tells what an override is about.
func (d *Director) ordered(c *config.Config, o override.Override, changed bool) control.Ordered {
	done := control.Ordered{Changed: changed, Override: o, Servers: []string{}, Others: []override.Override{}, Errors: []string{}}
	set := d.overrides.Set().Index()
	for _, v := range c.Virtual {
		for _, r := range v.Real {
			if !o.Target.Covers(v.Name, r.Name, r.Address) {
				continue
			}
			done.Servers = append(done.Servers, v.Name+"/"+r.Name)
			other, found := set.On(v.Name, r.Name, r.Address)
			if found && other.Target != o.Target && !slices.Contains(done.Others, other) {
				done.Others = append(done.Others, other)
			}
		}
	}
	return done
}

// known holds that a configuration has what a target is about.
func known(c *config.Config, t override.Target) error {
	if status.About(c, t) {
		return nil
	}
	var all []string
	switch t.Scope {
	case override.Director:
		if len(c.VRRP) > 0 {
			return errors.New("others decide the role of this director (role = \"external\"): ask them, or `lvsd role standby`")
		}
		return errors.New("the configuration has no [vrrp]: there are no VIPs to hand over to another director")
	case override.EveryServer:
		for _, v := range c.Virtual {
			for _, r := range v.Real {
				all = append(all, r.Name, r.Address.String())
			}
		}
		return fmt.Errorf("the configuration has no real server with the name or address %s%s", t.Server, config.DidYouMean(t.Server, all))
	}
	i := slices.IndexFunc(c.Virtual, func(v config.Virtual) bool { return v.Name == t.Virtual })
	if i < 0 {
		for _, v := range c.Virtual {
			all = append(all, v.Name)
		}
		return fmt.Errorf("the configuration has no virtual service %s%s", t.Virtual, config.DidYouMean(t.Virtual, all))
	}
	for _, r := range c.Virtual[i].Real {
		all = append(all, r.Name)
	}
	return fmt.Errorf("the virtual service %s has no real server %s%s", t.Virtual, t.Server, config.DidYouMean(t.Server, all))
}
