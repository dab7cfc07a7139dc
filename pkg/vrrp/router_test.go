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

// port is one router's Wire on a hub.
type port struct {
	hub *hub
	i   int
	in  Sink
	cut bool
}

func (p *port) Send(a Advert) {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	for _, to := range p.hub.ports {
		if to != p && to.in != nil && !to.cut && !p.cut {
			to.in.Heard(Heard{Advert: a, Source: address(p.i), Local: address(to.i), Link: "eth0"})
		}
	}
}

func (p *port) Run(ctx context.Context, in Sink) {
	p.hub.mu.Lock()
	p.in = in
	p.hub.mu.Unlock()
	in.Link("eth0", nil)
	<-ctx.Done()
	p.hub.mu.Lock()
	p.in = nil
	p.hub.mu.Unlock()
}

func (p *port) Recheck() {}

func (h *hub) router(s Settings) *Router {
	instance := Instance{Name: "front", Settings: s, Family: lvs.IPv4, Links: []Link{{Interface: "eth0"}}}
	return newRouter([]Instance{instance}, func() {}, func(Instance) Wire {
		h.mu.Lock()
		defer h.mu.Unlock()
		p := &port{hub: h, i: len(h.ports)}
		h.ports = append(h.ports, p)
		return p
	})
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
	r := NewRouter([]Instance{{Name: "front", Settings: settings(100), Links: []Link{{Interface: "eth0"}}}}, func() {})
	s := sink{r, 0, nil}
	s.Refused(&Refusal{Reason: WrongTTL})
	other := settings(100)
	other.VRID = 7
	s.Heard(Heard{Advert: other.Advert(255)})
	(<-r.inputs)(epoch)
	counts := r.Refused(0)
	if counts[WrongTTL] != 1 || counts[WrongVRID] != 1 || len(counts) != 2 {
		t.Errorf("refused %v", counts)
	}
}

func TestDeafIsFault(t *testing.T) {
	r := NewRouter([]Instance{{Name: "front", Settings: settings(100), Links: []Link{{Interface: "eth0"}, {Interface: "eth1"}}}}, func() {})
	r.apply(r.each(epoch, (*Machine).Start))
	s := sink{r, 0, nil}
	for _, step := range []struct {
		link string
		err  error
		want State
	}{
		{"eth0", errors.New("no interface eth0"), Backup},
		{"eth1", errors.New("no interface eth1"), Fault},
		{"eth1", nil, Backup},
	} {
		s.Link(step.link, step.err)
		r.apply((<-r.inputs)(epoch))
		want(t, states(r), step.want)
	}
}
