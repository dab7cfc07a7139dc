// Package netdevtest is interfaces in memory that answer as the kernel's do, and
// the contract that both are tested by.
package netdevtest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

// Fake holds interfaces and addresses in memory. It is safe for several
// goroutines.
type Fake struct {
	// Fail is asked before each operation, with its name (interfaces, list, add,
	// delete, announce, add tunnel, set up, add detour, …) and what it is about; an error makes the operation fail
	// without an effect. It is to be set before the Fake is used.
	Fail func(op, what string) error

	// Neighbours answer ARP for addresses. It is to be set before the Fake is used.
	Neighbours map[netip.Addr][]net.HardwareAddr

	mu        sync.Mutex
	links     []netdev.Interface
	addresses map[lvs.AddressKey]lvs.Address
	announced []lvs.AddressKey
	tunnels   map[string]netdev.Tunnel
	ports     []netdev.GUEPort
	routes    []netdev.Route
	detours   map[lvs.Detour]bool
	virtual   map[string]lvs.VirtualLink
	claims    chan netdev.Claim
}

// New returns a Fake with these interfaces, all up, and no address.
func New(names ...string) *Fake {
	f := &Fake{
		addresses: map[lvs.AddressKey]lvs.Address{},
		tunnels:   map[string]netdev.Tunnel{},
		detours:   map[lvs.Detour]bool{},
		virtual:   map[string]lvs.VirtualLink{},
		claims:    make(chan netdev.Claim),
	}
	for i, name := range names {
		f.links = append(f.links, netdev.Interface{Name: name, Index: i + 1, Up: true, MTU: 1500, MAC: fmt.Sprintf("02:ff:00:00:00:%02x", i+1)})
	}
	return f
}

// Interfaces is netdev.Devices.Interfaces.
func (f *Fake) Interfaces() ([]netdev.Interface, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("interfaces", ""); err != nil {
		return nil, err
	}
	links := slices.Clone(f.links)
	slices.SortFunc(links, func(a, b netdev.Interface) int { return strings.Compare(a.Name, b.Name) })
	return links, nil
}

// Addresses is netdev.Devices.Addresses.
func (f *Fake) Addresses() (map[lvs.AddressKey]lvs.Address, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("list", "addresses"); err != nil {
		return nil, err
	}
	return maps.Clone(f.addresses), nil
}

// Add is netdev.Devices.Add.
func (f *Fake) Add(a lvs.Address) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("add", a.AddressKey); err != nil {
		return err
	}
	if f.has(a.AddressKey) {
		return fmt.Errorf("add %s: %w", a.AddressKey, unix.EEXIST)
	}
	f.addresses[a.AddressKey] = readBack(a)
	return nil
}

// Take is netdev.Devices.Take.
func (f *Fake) Take(a lvs.Address) error {
	if err := f.Add(a); err != nil {
		return err
	}
	return f.Announce(a)
}

// readBack is the address as the kernel lists it.
func readBack(a lvs.Address) lvs.Address {
	if a.Prefix.Addr().Is4() {
		a.NoDAD = false
	} else {
		a.Label = ""
	}
	if a.Label == a.Interface {
		a.Label = ""
	}
	return a
}

// has tells whether the kernel would call the address a duplicate: IPv6 has each
// only once on an interface, IPv4 once with each prefix length.
func (f *Fake) has(k lvs.AddressKey) bool {
	if k.Prefix.Addr().Is4() {
		_, ok := f.addresses[k]
		return ok
	}
	for other := range f.addresses {
		if other.Interface == k.Interface && other.Prefix.Addr() == k.Prefix.Addr() {
			return true
		}
	}
	return false
}

// Delete is netdev.Devices.Delete.
func (f *Fake) Delete(k lvs.AddressKey) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("delete", k); err != nil {
		return err
	}
	if _, ok := f.addresses[k]; !ok {
		return fmt.Errorf("delete %s: %w", k, unix.EADDRNOTAVAIL)
	}
	delete(f.addresses, k)
	return nil
}

// Announce is netdev.Devices.Announce; Announced tells what was announced.
func (f *Fake) Announce(a lvs.Address) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("announce", a.AddressKey); err != nil {
		return err
	}
	f.announced = append(f.announced, a.AddressKey)
	return nil
}

// WatchClaims is netdev.Devices.WatchClaims on a network in which nobody claims
// anything, but for what Claim says.
func (f *Fake) WatchClaims(ctx context.Context, name string, addrs []netip.Addr, tell func(netdev.Claim)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-f.claims:
			if slices.Contains(addrs, c.Address) {
				tell(c)
			}
		}
	}
}

// Claim has another host claim an address; it waits until somebody watches.
func (f *Fake) Claim(c netdev.Claim) { f.claims <- c }

// Announced gives every announcement, in order.
func (f *Fake) Announced() []lvs.AddressKey {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.announced)
}

func (f *Fake) check(op string, k lvs.AddressKey) error {
	if err := f.fail(op, k.String()); err != nil {
		return err
	}
	if f.link(k.Interface) < 0 {
		return fmt.Errorf("%s %s: %w", op, k, unix.ENODEV)
	}
	return nil
}

func (f *Fake) fail(op, what string) error {
	if f.Fail == nil {
		return nil
	}
	if err := f.Fail(op, what); err != nil {
		return fmt.Errorf("%s %s: %w", op, what, err)
	}
	return nil
}

// Detours is netdev.Devices.Detours.
func (f *Fake) Detours() (map[lvs.Detour]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("detours", ""); err != nil {
		return nil, err
	}
	return maps.Clone(f.detours), nil
}

// AddDetour is netdev.Devices.AddDetour.
func (f *Fake) AddDetour(d lvs.Detour) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("add detour", d.String()); err != nil {
		return err
	}
	if !slices.ContainsFunc(f.links, func(l netdev.Interface) bool { return l.Name == d.Interface }) {
		return fmt.Errorf("add detour %s: %w", d, unix.ENODEV)
	}
	f.detours[d] = true
	return nil
}

// DeleteDetour is netdev.Devices.DeleteDetour.
func (f *Fake) DeleteDetour(d lvs.Detour) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("delete detour", d.String()); err != nil {
		return err
	}
	delete(f.detours, d)
	return nil
}
