// Package netdev reads and changes interfaces and their addresses, tells the
// neighbours where an address is, and watches for changes that others make.
//
// A Devices belongs to the network namespace in which the thread that called
// Open was. Announce, Watch and the deletion of an address that others depend on
// also use the namespace of the thread that calls them: the daemon runs as a
// process inside its namespace, where the two are one.
package netdev

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Devices is the interfaces of a network namespace.
type Devices struct{ handle *netlink.Handle }

// Open opens a netlink socket in the namespace of the calling thread.
func Open() (*Devices, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return &Devices{handle: h}, nil
}

// Close closes the socket.
func (d *Devices) Close() { d.handle.Close() }

// Interface is one network interface.
type Interface struct {
	Name  string
	Index int
	Up    bool // set up by the administrator, with or without a carrier
	MTU   int  // bytes
	MAC   string
}

// Interfaces lists the interfaces, sorted by name.
func (d *Devices) Interfaces() ([]Interface, error) {
	links, err := dump(d.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	all := make([]Interface, len(links))
	for i, l := range links {
		a := l.Attrs()
		all[i] = Interface{Name: a.Name, Index: a.Index, Up: a.RawFlags&unix.IFF_UP != 0, MTU: a.MTU, MAC: a.HardwareAddr.String()}
	}
	slices.SortFunc(all, func(a, b Interface) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// link finds an interface; a missing one is unix.ENODEV. So is one that has the name
// only as an alternative, by which the kernel finds it: all that is listed has the
// interface's own name.
func (d *Devices) link(name string) (netlink.Link, error) {
	l, err := d.handle.LinkByName(name)
	switch {
	case errors.As(err, &netlink.LinkNotFoundError{}):
		return nil, unix.ENODEV
	case err == nil && l.Attrs().Name != name:
		return nil, fmt.Errorf("%s is another name of %s, which is expected: %w", name, l.Attrs().Name, unix.ENODEV)
	}
	return l, err
}

// dumps is how often a listing is tried that changes interrupt.
const dumps = 10

// dump repeats a listing during which something changed, because it may lack what
// was there all the time (NLM_F_DUMP_INTR).
func dump[T any](list func() ([]T, error)) ([]T, error) {
	var all []T
	var err error
	for range dumps {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
