// Package lab builds small networks out of network namespaces, veth pairs and bridges, for tests, demonstrations and benchmarks:
// clients, a router, directors and real servers that answer over HTTP, TCP, UDP and SCTP, IPv4 and IPv6.
//
// It needs root and a kernel with namespaces; `go run ./hack/kernel` gives one that has IPVS as well. New builds a whole Topology; AddHost,
// AddNetwork and Connect build anything else. A host's namespace has the host's name, so that a person can look around with
// `ip netns exec lb1 ipvsadm -Ln`. Close ends everything that was started and removes every namespace.
//
// The lab sets up hosts that a director's configuration does not cover: links, addresses, routes, and real servers ready for DR and TUN.
// It does nothing to the directors beyond that: forwarding, sysctls, VIPs and IPVS are what is under test.
package lab

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Lab is a set of hosts and the networks between them.
type Lab struct {
	home     netns.NsHandle // the namespace that threads return to
	sw       *Host          // holds every bridge
	hosts    map[string]*Host
	networks map[string]bool

	mu      sync.Mutex
	closers []*closer
}

type closer struct{ close func() error }

// NewEmpty returns a lab without hosts and networks.
func NewEmpty() (*Lab, error) {
	home, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open the present network namespace: %w", err)
	}
	l := &Lab{home: home, hosts: map[string]*Host{}, networks: map[string]bool{}}
	if l.sw, err = l.newHost("switch"); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := l.sw.SetSysctl("net.ipv6.conf.default.disable_ipv6", "1"); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Host returns a host by name, nil if there is none.
func (l *Lab) Host(name string) *Host { return l.hosts[name] }

// Switch is the host that holds every network. There the other end of the cable to eth0 of lb1 is lb1-eth0. It is none of Hosts.
func (l *Lab) Switch() *Host { return l.sw }

// Hosts returns all hosts, sorted by name.
func (l *Lab) Hosts() []*Host {
	var hosts []*Host
	for _, h := range l.hosts {
		hosts = append(hosts, h)
	}
	slices.SortFunc(hosts, func(a, b *Host) int { return compareNames(a.Name, b.Name) })
	return hosts
}

// Close ends every process and service that was started on the hosts and removes the hosts.
func (l *Lab) Close() error {
	l.mu.Lock()
	closers := l.closers
	l.closers = nil
	l.mu.Unlock()
	var errs []error
	for _, c := range slices.Backward(closers) {
		errs = append(errs, c.close())
	}
	if l.home.IsOpen() {
		errs = append(errs, l.home.Close())
	}
	return errors.Join(errs...)
}

// onClose registers f to be called by Close, in reverse order, unless forget is called before.
func (l *Lab) onClose(f func() error) (forget func()) {
	c := &closer{close: f}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, c)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closers = slices.DeleteFunc(l.closers, func(x *closer) bool { return x == c })
	}
}

// AddHost makes a host with nothing but lo, which is up.
func (l *Lab) AddHost(name string) (*Host, error) {
	if l.hosts[name] != nil {
		return nil, fmt.Errorf("add host %s: %w", name, unix.EEXIST)
	}
	h, err := l.newHost(name)
	if err != nil {
		return nil, err
	}
	l.hosts[name] = h
	return h, nil
}

func (l *Lab) newHost(name string) (*Host, error) {
	h := &Host{Name: name, lab: l}
	err := onThread(l.home, func() (err error) {
		h.ns, err = netns.NewNamed(name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make namespace %s: %w", name, err)
	}
	l.onClose(h.close)
	if h.nl, err = netlink.NewHandleAt(h.ns, unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("open netlink on %s: %w", name, err)
	}
	// Duplicate address detection would keep every IPv6 address unusable for a second.
	err = h.setSysctls(
		"net.ipv6.conf.all.accept_dad", "0",
		"net.ipv6.conf.default.accept_dad", "0",
		"net.ipv6.conf.default.accept_ra", "0",
	)
	if err != nil {
		return nil, err
	}
	return h, h.SetLink("lo", true)
}

// AddNetwork makes a network: a bridge that hosts can be connected to.
func (l *Lab) AddNetwork(name string) error {
	if l.networks[name] {
		return fmt.Errorf("add network %s: %w", name, unix.EEXIST)
	}
	snooping := false // a bridge that learns groups first loses the first multicasts
	br := &netlink.Bridge{LinkAttrs: linkAttrs(name), MulticastSnooping: &snooping}
	if err := l.sw.nl.LinkAdd(br); err != nil {
		return fmt.Errorf("add network %s: %w", name, err)
	}
	l.networks[name] = true
	return l.sw.SetLink(name, true)
}

// linkAttrs names a link; everything else is left to the kernel.
func linkAttrs(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// onThread runs f on an operating system thread of its own that is back in the namespace home afterwards.
func onThread(home netns.NsHandle, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("the function ended its goroutine")
		defer func() { done <- err }()
		runtime.LockOSThread()
		err = f()
		if back := netns.Set(home); back != nil {
			// The goroutine ends with its thread locked, and the runtime throws the thread away.
			return
		}
		runtime.UnlockOSThread()
	}()
	return <-done
}
