package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/lvs"
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
	if err := d.put(func(s override.Set) override.Set { return s.With(o) }); err != nil {
		return control.Ordered{}, err
	}
	d.noteOverride(o, verb(o), o.By)
	return d.follow(ctx, c, o)
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
	if err := d.put(func(s override.Set) override.Set { return s.Without(t) }); err != nil {
		return control.Ordered{}, err
	}
	d.noteOverride(override.Override{Target: t}, "as configured again", by)
	if t == override.Self {
		d.roles.setDrained(false)
		return d.orderedSelf(o), nil
	}
	return d.follow(ctx, c, o)
}

// verb says what an override does, in a sentence.
func verb(o override.Override) string {
	if o.Drains() {
		return "drained"
	}
	return fmt.Sprintf("set to weight %d", o.Weight)
}

// put changes the overrides for good.
func (d *Director) put(change func(override.Set) override.Set) error {
	return d.overrides.Change(func(s override.Set) (override.Set, error) { return change(s), nil })
}

// follow has the kernel follow an order, and tells what came of it.
func (d *Director) follow(ctx context.Context, c *config.Config, o override.Override) (control.Ordered, error) {
	first := d.reconciler.Await()
	d.drains.wake()
	done := d.ordered(c, o, true)
	var round reconcile.Round
	select {
	case round = <-first:
	case <-ctx.Done():
		return done, fmt.Errorf("wait for the kernel to follow %s: %w", o.Target, ctx.Err())
	}
	done.Errors = concerning(c, o.Target, problems(&round), round.Err)
	return done, nil
}

// concerning gives those of a round's problems that keep an order from being done: of
// the services that it is about, and what could not be read.
func concerning(c *config.Config, t override.Target, problems []string, unread error) []string {
	list := []string{}
	for _, text := range problems {
		if unread != nil && text == unread.Error() || slices.ContainsFunc(c.Virtual, func(v config.Virtual) bool {
			about := slices.ContainsFunc(v.Real, func(r config.Real) bool { return t.Covers(v.Name, r.Name, r.Address) })
			return about && slices.ContainsFunc(v.Keys, func(k lvs.ServiceKey) bool { return mentions(text, k.String()) })
		}) {
			list = append(list, text)
		}
	}
	return list
}

// mentions tells whether a text has a key that is not a part of a longer one: "tcp
// 192.0.2.1:80" is not "tcp 192.0.2.1:8080".
func mentions(text, key string) bool {
	_, rest, found := strings.Cut(text, key)
	return found && (rest == "" || rest[0] < '0' || rest[0] > '9')
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
