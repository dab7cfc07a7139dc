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

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Link is an interface over which adverts go.
type Link struct {
	Interface string
	Source    netip.Addr   // our address there; the zero one is the first that the interface has
	Avoid     []netip.Addr // never our address: the VIPs come and go
	Peers     []netip.Addr // send to these and believe only these; none: multicast
}

// reopen is the pause before a link that does not work is tried again.
const reopen = 200 * time.Millisecond

// wire is the links of an instance.
type wire []*link

func open(i Instance) Wire {
	var w wire
	for _, l := range i.Links {
		w = append(w, &link{Link: l, family: i.Family, check: make(chan struct{}, 1)})
	}
	return w
}

// Send sends on every link. A link on which that fails is opened anew, which
// tells why.
func (w wire) Send(a Advert) {
	for _, l := range w {
		l.send(a)
	}
}

// Recheck makes every link look whether its interface is still the same.
func (w wire) Recheck() {
	for _, l := range w {
		select {
		case l.check <- struct{}{}:
		default:
		}
	}
}

// Run receives on every link until the context ends.
func (w wire) Run(ctx context.Context, in Sink) {
	var all sync.WaitGroup
	for _, l := range w {
		all.Go(func() { l.run(ctx, in) })
	}
	all.Wait()
}

// link is one Link at work.
type link struct {
	Link
	family lvs.Family
	check  chan struct{}
	now    atomic.Pointer[socket] // nil while the link does not work
}

func (l *link) run(ctx context.Context, in Sink) {
	for ctx.Err() == nil {
		err := l.serve(ctx, in)
		if ctx.Err() != nil {
			return
		}
		in.Link(l.Interface, err)
		select {
		case <-ctx.Done():
		case <-l.check:
		case <-time.After(reopen):
		}
	}
}

// serve opens the link and receives until that does not work any more.
func (l *link) serve(ctx context.Context, in Sink) error {
	where, err := l.locate()
	if err != nil {
		return err
	}
	s, err := openSocket(ctx, where, l.multicast())
	if err != nil {
		return fmt.Errorf("open %s for VRRP: %w", l.Interface, err)
	}
	defer s.conn.Close()
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	watch, stop := context.WithCancel(ctx)
	defer stop()
	go l.watch(watch, s)
	l.now.Store(s)
	defer l.now.Store(nil)
	in.Link(l.Interface, nil)
	buffer := make([]byte, 64<<10)
	for {
		p, err := s.receive(buffer)
		var refusal *Refusal
		switch {
		case errors.As(err, &refusal):
			in.Refused(refusal)
		case err != nil:
			return fmt.Errorf("receive on %s: %w", l.Interface, errors.Join(s.broken(), err))
		default:
			l.deliver(p, s, in)
		}
	}
}

// watch breaks the socket when the interface is another one or has lost our
// address.
func (l *link) watch(ctx context.Context, s *socket) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.check:
		}
		where, err := l.locate()
		if err == nil && where != s.place {
			err = errors.New("its interface or address changed")
		}
		if err != nil {
			s.fail(err)
			return
		}
	}
}

// deliver checks what only the link can (RFC 9568 section 7.1).
func (l *link) deliver(p received, s *socket, in Sink) {
	var err error
	switch {
	case p.ttl != TTL:
		err = refuse(WrongTTL, "TTL %d", p.ttl)
	case p.src == s.source || slices.Contains(l.Avoid, p.src):
		err = refuse(OwnAddress, "from %s", p.src)
	case l.multicast() && p.dst != group(l.family), !l.multicast() && p.dst != s.source:
		err = refuse(WrongTarget, "to %s", p.dst)
	case !l.multicast() && !slices.Contains(l.Peers, p.src):
		err = refuse(WrongSource, "from %s", p.src)
	}
	var a Advert
	if err == nil {
		a, err = Parse(p.payload, p.src, p.dst)
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		in.Refused(refusal)
		return
	}
	in.Heard(Heard{Advert: a, Source: p.src, Local: s.source, Link: l.Interface})
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
		if err := s.send(a, to); err != nil && !transient(err) {
			s.fail(err)
			return
		}
	}
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
	if device.Flags&net.FlagUp == 0 {
		return place{}, fmt.Errorf("%s is down", l.Interface)
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
