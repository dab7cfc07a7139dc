package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Link is an interface over which adverts go.
type Link struct {
	Interface string
	Source    netip.Addr   // our address there; the zero one is the first that the interface has
	Avoid     []netip.Addr // never our address: the VIPs come and go
	Peers     []netip.Addr // send to these and believe only these; none: multicast
	MinTTL    int          // believe no packet that comes with less
	Virtual   Virtual
}

// Virtual is the hardware address of a virtual router, from which its multicast
// adverts come as long as the interface with it exists. The zero one is none.
type Virtual struct {
	Interface string
	MAC       net.HardwareAddr
}

// reopen is the pause before a link that does not work is tried again.
const reopen = 200 * time.Millisecond

// links is the wire of an instance.
type links struct{ list []*link }

func open(i Instance) wire {
	w := &links{}
	for place, l := range i.Links {
		w.list = append(w.list, &link{Link: l, place: place, family: i.Family, check: make(chan struct{}, 1)})
	}
	return w
}

func (w *links) send(a Advert) {
	for _, l := range w.list {
		l.send(a)
	}
}

func (w *links) recheck() {
	for _, l := range w.list {
		select {
		case l.check <- struct{}{}:
		default:
		}
	}
}

func (w *links) files() []int {
	var all []int
	for _, l := range w.list {
		if s := l.now.Load(); s != nil {
			all = append(all, s.fd)
		}
	}
	return all
}

func (w *links) receive(heard func(Heard), refused func(Reason)) {
	for _, l := range w.list {
		if s := l.now.Load(); s != nil {
			l.receive(s, heard, refused)
		}
	}
}

func (w *links) run(ctx context.Context, report func(name string, err error)) {
	var all sync.WaitGroup
	for _, l := range w.list {
		all.Go(func() { l.run(ctx, report) })
	}
	all.Wait()
}

// link is one Link at work.
type link struct {
	Link
	place  int // among the links of the instance
	family lvs.Family
	check  chan struct{}
	now    atomic.Pointer[socket] // nil while the link does not work
}

func (l *link) run(ctx context.Context, report func(name string, err error)) {
	for ctx.Err() == nil {
		err := l.serve(ctx, report)
		if ctx.Err() != nil {
			return
		}
		report(l.Interface, err)
		select {
		case <-ctx.Done():
		case <-l.check:
		case <-time.After(reopen):
		}
	}
}

// serve keeps the link open until it does not work any more.
func (l *link) serve(ctx context.Context, report func(name string, err error)) error {
	where, err := l.locate()
	if err != nil {
		return err
	}
	s, err := openSocket(where, l.multicast(), l.Virtual)
	if err != nil {
		return fmt.Errorf("open %s for VRRP: %w", l.Interface, err)
	}
	defer s.close()
	l.seek(s)
	l.now.Store(s)
	defer l.now.Store(nil)
	report(l.Interface, nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return fmt.Errorf("VRRP on %s: %w", l.Interface, err)
		case <-l.check:
		}
		l.seek(s)
		now, err := l.locate()
		if err == nil && now != where {
			err = fmt.Errorf("%s or its address has changed", l.Interface)
		}
		if err != nil {
			return err
		}
	}
}

// seek looks whether the virtual router's hardware address is here. The thread of
// the adverts does not: the kernel may take its time for an answer, or even look for
// a module of that name.
func (l *link) seek(s *socket) {
	if s.framer != nil {
		_, err := net.InterfaceByName(l.Virtual.Interface)
		s.framer.here.Store(err == nil)
	}
}

// atOnce is how many packets are taken before the timers are looked at: more than
// there is room for in a socket's buffer (net.core.rmem_default), so that no advert
// that waits there is taken for silence, but an end where they come faster than they
// are read.
const atOnce = 1024

// receive takes what has come on a link.
func (l *link) receive(s *socket, heard func(Heard), refused func(Reason)) {
	for range atOnce {
		p, err := s.receive()
		if err == nil {
			err = l.verify(p, s)
		}
		var a Advert
		if err == nil {
			a, err = Parse(p.payload, p.src, p.dst)
		}
		var refusal *Refusal
		switch {
		case err == nil:
			heard(Heard{Advert: a, Source: p.src, Local: s.source, Link: l.place})
		case errors.As(err, &refusal):
			refused(refusal.Reason)
		default:
			return
		}
	}
}

// verify checks what only the link can (RFC 9568 section 7.1).
func (l *link) verify(p received, s *socket) error {
	switch {
	case p.ttl < l.MinTTL:
		return refuse(WrongTTL, "TTL %d", p.ttl)
	case p.src == s.source || slices.Contains(l.Avoid, p.src):
		return refuse(OwnAddress, "from %s", p.src)
	case l.multicast() && p.dst != group(l.family), !l.multicast() && p.dst != s.source:
		return refuse(WrongTarget, "to %s", p.dst)
	case !l.multicast() && !slices.Contains(l.Peers, p.src):
		return refuse(WrongSource, "from %s", p.src)
	}
	return nil
}

func (l *link) send(a Advert) {
	s := l.now.Load()
	if s == nil {
		return
	}
	targets := l.Peers
	if l.multicast() {
		targets = []netip.Addr{group(l.family)}
	}
	for _, to := range targets {
		if err := s.send(a, to); err != nil && !transient(err) && !l.lacksRoute(err) {
			s.fail(err)
			return
		}
	}
}

// lacksRoute tells whether an error is about one peer alone: others may have a route.
func (l *link) lacksRoute(err error) bool {
	return !l.multicast() && errors.Is(err, unix.ENETUNREACH)
}

func (l *link) multicast() bool { return len(l.Peers) == 0 }

func group(f lvs.Family) netip.Addr {
	if f == lvs.IPv4 {
		return Group4
	}
	return Group6
}

// place is an interface with our address on it.
type place struct {
	name   string
	index  int
	source netip.Addr // without a zone
}

// locate finds the interface and our address on it.
func (l *link) locate() (place, error) {
	device, err := net.InterfaceByName(l.Interface)
	if err != nil {
		return place{}, fmt.Errorf("no interface %s", l.Interface)
	}
	switch {
	case device.Flags&net.FlagUp == 0:
		return place{}, fmt.Errorf("%s is down", l.Interface)
	case device.Flags&net.FlagRunning == 0:
		return place{}, fmt.Errorf("%s has no carrier", l.Interface)
	}
	list, err := device.Addrs()
	if err != nil {
		return place{}, fmt.Errorf("list the addresses of %s: %w", l.Interface, err)
	}
	for _, a := range list {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && l.suits(prefix.Addr()) {
			return place{l.Interface, device.Index, prefix.Addr()}, nil
		}
	}
	return place{}, fmt.Errorf("%s has no address for adverts", l.Interface)
}

// suits tells whether adverts may come from an address. Multicast over IPv6
// comes from a link-local one (RFC 9568 section 5.1.2.1).
func (l *link) suits(a netip.Addr) bool {
	switch {
	case l.Source.IsValid():
		return a == l.Source
	case lvs.FamilyOf(a) != l.family || slices.Contains(l.Avoid, a):
		return false
	case l.family == lvs.IPv4:
		return true
	case l.multicast():
		return a.IsLinkLocalUnicast()
	}
	return a.IsLinkLocalUnicast() == l.Peers[0].IsLinkLocalUnicast()
}
