package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// heralds tell the neighbours of a router's instances that are active, one for
// each. Each has a lookout beside it.
type heralds struct {
	roles    *roles
	router   *member
	stop     map[string]context.CancelFunc
	lookouts map[string]context.CancelFunc
	working  sync.WaitGroup
}

// announcements are when a new active director tells the neighbours again, after
// the first time with the addresses: a switch or a host may miss one, and who was
// active before answers for the addresses a moment longer.
var announcements = []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 150 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 5 * time.Second}

// idle is how often a herald without anything to repeat looks whether a reload
// has given it something.
const idle = time.Minute

func newHeralds(r *roles, router *member) *heralds {
	return &heralds{roles: r, router: router, stop: map[string]context.CancelFunc{}, lookouts: map[string]context.CancelFunc{}}
}

// heed follows an event: who becomes active tells so, and so does who is active
// and not alone. Who is active no longer stops at once: the neighbours would
// send to it again.
func (h *heralds) heed(e vrrp.Event) {
	if e.Kind != vrrp.Changed && e.Kind != vrrp.Rival && e.Kind != vrrp.SplitBrain {
		return
	}
	end(h.stop, e.Instance)
	if e.Kind == vrrp.Changed {
		end(h.lookouts, e.Instance)
		if e.State != vrrp.Active {
			return
		}
		h.begin(h.lookouts, e.Instance, h.lookOut)
	}
	h.begin(h.stop, e.Instance, h.run)
}

// begin has a task done for an instance, until it is ended.
func (h *heralds) begin(tasks map[string]context.CancelFunc, name string, task func(context.Context, string)) {
	ctx, stop := context.WithCancel(context.Background())
	tasks[name] = stop
	h.working.Go(func() { task(ctx, name) })
}

func end(tasks map[string]context.CancelFunc, name string) {
	if stop := tasks[name]; stop != nil {
		stop()
		delete(tasks, name)
	}
}

func (h *heralds) end() {
	for _, tasks := range []map[string]context.CancelFunc{h.stop, h.lookouts} {
		for _, stop := range tasks {
			stop()
		}
	}
	h.working.Wait()
}

// run announces an instance several times, and then from time to time.
func (h *heralds) run(ctx context.Context, name string) {
	start := time.Now()
	for _, after := range announcements {
		if !sleep(ctx, time.Until(start.Add(after))) {
			return
		}
		h.announce(name)
	}
	for {
		refresh := h.roles.instance(name).Refresh
		pause := refresh
		if refresh == 0 {
			pause = idle
		}
		if !sleep(ctx, pause) {
			return
		}
		if refresh > 0 {
			h.announce(name)
		}
	}
}

// announce tells the neighbours where the VIPs of an instance are, if it is still
// active: one that hands over serves on and keeps silent. What cannot be said now
// is said the next time.
func (h *heralds) announce(name string) {
	active := func(s vrrp.Status) bool { return s.Name == name && s.State == vrrp.Active }
	if !slices.ContainsFunc(h.router.Statuses(), active) {
		return
	}
	for _, a := range h.roles.instance(name).VIPs {
		h.say(a)
	}
}

func (h *heralds) say(a lvs.Address) {
	if err := h.roles.devices.Announce(a); err != nil {
		h.roles.log.Debug("address not announced", "vip", a.AddressKey, "err", err)
	}
}

// sleep waits, and tells whether the context still lives after it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
