package vrrp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// hub is a network segment in memory.
type hub struct {
	mu    sync.Mutex
	ports []*port
}

// port is one router's wire on a hub, and what lets it sleep.
type port struct {
	hub   *hub
	i     int
	inbox []Heard
	woken chan struct{}
}

func (p *port) send(a Advert) {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	for _, to := range p.hub.ports {
		if to != p {
			to.inbox = append(to.inbox, Heard{Advert: a, Source: address(p.i), Local: address(to.i)})
			to.wake()
		}
	}
}

func (p *port) receive(heard func(Heard), _ func(Reason)) {
	p.hub.mu.Lock()
	inbox := p.inbox
	p.inbox = nil
	p.hub.mu.Unlock()
	for _, h := range inbox {
		heard(h)
	}
}

func (p *port) run(ctx context.Context, report func(string, error)) {
	report("eth0", nil)
	<-ctx.Done()
}

func (p *port) files() []int { return nil }
func (p *port) recheck()     {}
func (p *port) close()       {}

func (p *port) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (p *port) wait(until time.Time, _ []int) {
	var due <-chan time.Time
	if !until.IsZero() {
		due = time.After(time.Until(until))
	}
	select {
	case <-p.woken:
	case <-due:
	}
}

func (h *hub) router(s ...Settings) *Router {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &port{hub: h, i: len(h.ports), woken: make(chan struct{}, 1)}
	h.ports = append(h.ports, p)
	return newRouter(fronts(s...), func() {}, func(Instance) wire { return p }, p)
}

// fronts are instances with the settings, on two links each.
func fronts(s ...Settings) []Instance {
	var all []Instance
	for _, s := range s {
		all = append(all, Instance{Name: "front", Settings: s, Family: lvs.IPv4, Links: []Link{{Interface: "eth0"}, {Interface: "eth1"}}})
	}
	return all
}

func states(routers ...*Router) []State {
	var all []State
	for _, r := range routers {
		all = append(all, r.Statuses()[0].State)
	}
	return all
}

func want(t *testing.T, got []State, want ...State) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
	}
}

func TestRouters(t *testing.T) {
	defer goleak.VerifyNone(t)
	synctest.Test(t, func(t *testing.T) {
		h := &hub{}
		high, low := h.router(settings(200)), h.router(settings(100))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		tasks.Go(func() { high.Run(ctx) })
		synctest.Wait()
		tasks.Go(func() { low.Run(t.Context()) })
		time.Sleep(4 * time.Second)
		want(t, states(high, low), Active, Backup)

		if err := low.Yield(t.Context()); !errors.Is(err, ErrNotActive) {
			t.Errorf("a backup hands over: %v", err)
		}
		if err := high.Yield(t.Context()); err != nil {
			t.Errorf("hand over: %v", err)
		}
		time.Sleep(4 * time.Second)
		want(t, states(high, low), Backup, Active)

		low.SetFault("front", "no reason")
		time.Sleep(4 * time.Second)
		want(t, states(high, low), Active, Fault)
		low.SetFault("front", "")
		high.SetPriority("front", 50)
		time.Sleep(8 * time.Second)
		want(t, states(high, low), Backup, Active)
		high.SetPriority("front", 200)
		time.Sleep(8 * time.Second)
		want(t, states(high, low), Active, Backup)

		stop()
		time.Sleep(2 * time.Second)
		want(t, states(high, low), Initialize, Active)
		if high.Late() > 0 {
			t.Errorf("late by %s in fake time", high.Late())
		}
		var kinds []State
		for len(high.events) > 0 {
			kinds = append(kinds, (<-high.Events()).State)
		}
		want(t, kinds, Backup, Active, Backup, Active, Backup, Active, Backup, Initialize)
		low.SetFault("front", "stop at once")
		low.submit(func(now time.Time) []Output { return low.each(now, (*Machine).Shutdown) })
		tasks.Wait()
	})
}

func TestRefusedAreCounted(t *testing.T) {
	r := (&hub{}).router(settings(100))
	r.members[0].refuse(WrongTTL)
	other := settings(100)
	other.VRID = 7
	r.hear(0, Heard{Advert: other.Advert(255)})
	counts := r.Refused(0)
	if counts[WrongTTL] != 1 || counts[WrongVRID] != 1 || len(counts) != 2 {
		t.Errorf("refused %v", counts)
	}
}

func TestFirstLinkIsNeeded(t *testing.T) {
	h := &hub{}
	r := h.router(settings(100))
	r.members[0].wire = h.ports[0]
	r.apply(r.each(epoch, (*Machine).Start))
	for _, step := range []struct {
		link string
		err  error
		want State
	}{
		{"eth1", errors.New("no interface eth1"), Backup},
		{"eth0", errors.New("no interface eth0"), Fault},
		{"eth1", nil, Fault},
		{"eth0", nil, Backup},
	} {
		r.link(0, h.ports[0], step.link, step.err)
		r.obey()
		want(t, states(r), step.want)
	}
}
