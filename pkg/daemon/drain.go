package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/override/store"
)

const (
	// drainPause is the time between two looks at the connections of drained servers.
	drainPause = 500 * time.Millisecond

	// drainSettle is how long the weight must have been 0 before a server counts as
	// empty. A connection whose first packet came before that is not active until its
	// handshake is over; the client's second try at that comes after a second, the
	// third after three (tcp_timeout_init).
	drainSettle = 4 * time.Second

	// drainInterest is how long after the last question a drain is looked at.
	drainInterest = 30 * time.Second
)

// drains look at the connections of drained servers for as long as somebody waits
// for their end: who asked a short time ago, or an order to remove them then.
type drains struct {
	overrides *store.Store
	config    func() *config.Config
	read      func(lvs.ServiceKey) ([]lvs.Server, map[netip.AddrPort]lvs.ServerStats, error)
	removed   func(override.Override)
	log       *slog.Logger
	kick      chan struct{} // capacity 1

	mu    sync.Mutex
	asked map[override.Target]time.Time
	seen  map[override.Target]control.Drain
	zero  map[desired.ServerKey]time.Time // since when a server has weight 0 in the kernel
}

func newDrains(d *Director, v view) *drains {
	return &drains{
		overrides: d.overrides, config: d.current, read: v.services.Servers, log: d.log(),
		removed: func(o override.Override) {
			d.noteOverride(o, "removed", "")
			d.reconciler.Kick()
		},
		kick:  make(chan struct{}, 1),
		asked: map[override.Target]time.Time{},
		seen:  map[override.Target]control.Drain{},
		zero:  map[desired.ServerKey]time.Time{},
	}
}

// wake has the next look begin at once. It never blocks.
func (d *drains) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// run looks until the context ends.
func (d *drains) run(ctx context.Context) error {
	for {
		var next <-chan time.Time
		if d.look(time.Now()) {
			next = time.After(drainPause)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.kick:
		case <-next:
		}
	}
}

// look reads the connections once, and removes what is empty and to be removed. It
// tells whether there is anything to look at.
func (d *drains) look(now time.Time) bool {
	waited := d.waited(now)
	c := d.config()
	zero := map[desired.ServerKey]time.Time{}
	for _, o := range waited {
		drain := d.lookAt(c, o, now, zero)
		due := o.Remove && (drain.gone() || !o.Deadline.IsZero() && !now.Before(o.Deadline))
		d.mu.Lock()
		d.seen[o.Target] = drain.Drain
		d.mu.Unlock()
		if due {
			d.remove(o, now, drain.Drain)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.zero = zero
	return len(waited) > 0
}

// waited are the drains whose end somebody waits for.
func (d *drains) waited(now time.Time) []override.Override {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []override.Override
	for _, o := range d.overrides.Set() {
		interest := now.Sub(d.asked[o.Target]) < drainInterest
		if o.Drains() && o.Removed.IsZero() && o.Target != override.Self && (o.Remove || interest) {
			list = append(list, o)
			continue
		}
		delete(d.asked, o.Target)
		delete(d.seen, o.Target)
	}
	return list
}

// drain is a control.Drain with what only the daemon asks.
type drain struct {
	control.Drain
	idle bool // there is no entry of a connection at all
}

// gone tells whether nothing is left that a removal would disturb: also the entries
// of connections that are being closed. Servers that the configuration has lost for
// a while are not removed meanwhile.
func (d drain) gone() bool { return d.Empty && d.idle && len(d.Servers) > 0 }

func (d *drains) lookAt(c *config.Config, o override.Override, now time.Time, zero map[desired.ServerKey]time.Time) drain {
	all := drain{Drain: control.Drain{Override: o, Read: now, Empty: true, Servers: []control.DrainServer{}}, idle: true}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			covered := slices.DeleteFunc(slices.Clone(v.Real), func(r config.Real) bool { return !o.Target.Covers(v.Name, r.Name, r.Address) })
			if len(covered) == 0 {
				continue
			}
			servers, stats, err := d.read(key)
			if err != nil {
				all.Error, all.Empty, all.idle = err.Error(), false, false
				continue
			}
			for _, r := range covered {
				s := drainServer(v.Name, key, r, servers, stats)
				all.add(s)
				id := desired.ServerKey{Service: key, Server: s.Address}
				if s.Weight == 0 {
					zero[id] = d.zeroSince(id, now)
				}
				settled := !zero[id].IsZero() && now.Sub(zero[id]) >= drainSettle
				all.Empty = all.Empty && settled && !connected(s)
				all.idle = all.idle && s.Active+s.Inactive == 0
			}
		}
	}
	return all
}

func (d *drain) add(s control.DrainServer) {
	d.Servers = append(d.Servers, s)
	d.Active += uint64(s.Active)
	d.Inactive += uint64(s.Inactive)
}

func drainServer(virtual string, key lvs.ServiceKey, r config.Real, servers []lvs.Server, stats map[netip.AddrPort]lvs.ServerStats) control.DrainServer {
	s := control.DrainServer{Name: virtual + "/" + r.Name, Service: key, Address: r.Server(key).Key}
	i := slices.IndexFunc(servers, func(k lvs.Server) bool { return k.Key == s.Address })
	if i >= 0 {
		s.Present, s.Weight = true, servers[i].Weight
		s.Active, s.Inactive = stats[s.Address].Active, stats[s.Address].Inactive
	}
	return s
}

// connected tells whether a client may still be served. Of TCP and SCTP those that
// are not active are being closed; UDP has no others, and behind a mark there may be
// either.
func connected(s control.DrainServer) bool {
	if p := s.Service.Protocol; p == lvs.TCP || p == lvs.SCTP {
		return s.Active > 0
	}
	return s.Active+s.Inactive > 0
}

func (d *drains) zeroSince(id desired.ServerKey, now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if since, ok := d.zero[id]; ok {
		return since
	}
	return now
}

// remove puts down that the servers of a drain are deleted, if nobody has given
// another order meanwhile. What cannot be put down is tried at the next look.
func (d *drains) remove(o override.Override, now time.Time, last control.Drain) {
	err := d.overrides.Change(func(s override.Set) (override.Set, error) {
		if current, found := s.Get(o.Target); !found || current != o {
			return s, nil
		}
		o.Removed = now
		return s.With(o), nil
	})
	if err != nil {
		d.log.Error("drained servers not removed", "target", o.Target, "err", err)
		return
	}
	d.log.Info("drained servers are removed", "target", o.Target, "connections", last.Active+last.Inactive)
	d.removed(o)
}

// drain tells how far a drain has come, and keeps it looked at.
func (d *drains) drain(t override.Target, now time.Time) (control.Drain, error) {
	o, found := d.overrides.Set().Get(t)
	if !found || !o.Drains() {
		return control.Drain{}, fmt.Errorf("%s is not drained by an order of its own", t)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, looking := d.asked[t]; !looking {
		d.wake()
	}
	d.asked[t] = now
	seen, ok := d.seen[t]
	if !ok || seen.Override != o {
		return control.Drain{Override: o, Servers: []control.DrainServer{}}, nil
	}
	return seen, nil
}

// Drain tells how far the drain of a target has come.
func (d *Director) Drain(_ context.Context, t override.Target) (control.Drain, error) {
	return d.drains.drain(t, time.Now())
}
