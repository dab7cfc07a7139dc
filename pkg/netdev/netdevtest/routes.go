package netdevtest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

// Routes is netdev.Devices.Routes.
func (f *Fake) Routes(dst netip.Prefix) ([]netdev.Route, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("list", "routes"); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(f.routes), func(r netdev.Route) bool { return r.Dst != dst }), nil
}

// AddRoute is netdev.Devices.AddRoute.
func (f *Fake) AddRoute(r netdev.Route) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("add route", r.Dst.String()); err != nil {
		return err
	}
	if slices.ContainsFunc(f.routes, func(have netdev.Route) bool { return have.Dst == r.Dst }) {
		return fmt.Errorf("add route to %s via %s: %w", r.Dst, r.Via, unix.EEXIST)
	}
	if _, ok := f.onLink(r.Via); !ok {
		return fmt.Errorf("add route to %s via %s: %w", r.Dst, r.Via, unix.ENETUNREACH)
	}
	f.routes = append(f.routes, r)
	return nil
}

// DeleteRoute is netdev.Devices.DeleteRoute.
func (f *Fake) DeleteRoute(r netdev.Route) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("delete route", r.Dst.String()); err != nil {
		return err
	}
	at := slices.Index(f.routes, r)
	if at < 0 {
		return fmt.Errorf("delete route to %s via %s: %w", r.Dst, r.Via, unix.ESRCH)
	}
	f.routes = slices.Delete(f.routes, at, at+1)
	return nil
}

// Path is netdev.Devices.Path.
func (f *Fake) Path(dst netip.Addr) (netdev.Path, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("list", "path"); err != nil {
		return netdev.Path{}, err
	}
	for k := range f.addresses {
		if k.Prefix.Addr() == dst {
			return netdev.Path{Interface: "lo", Source: dst, Local: true}, nil
		}
	}
	if k, ok := f.onLink(dst); ok {
		return netdev.Path{Interface: k.Interface, Source: k.Prefix.Addr()}, nil
	}
	best := netdev.Route{}
	for _, r := range f.routes {
		if r.Dst.Contains(dst) && (!best.Dst.IsValid() || r.Dst.Bits() > best.Dst.Bits()) {
			best = r
		}
	}
	if k, ok := f.onLink(best.Via); ok {
		return netdev.Path{Interface: k.Interface, Via: best.Via, Source: k.Prefix.Addr()}, nil
	}
	return netdev.Path{}, fmt.Errorf("find the route to %s: %w", dst, unix.ENETUNREACH)
}

// onLink finds the address of the host's in whose subnet an address is.
func (f *Fake) onLink(a netip.Addr) (lvs.AddressKey, bool) {
	for _, k := range slices.SortedFunc(maps.Keys(f.addresses), lvs.AddressKey.Compare) {
		if a.IsValid() && !k.Prefix.IsSingleIP() && k.Prefix.Contains(a) {
			return k, true
		}
	}
	return lvs.AddressKey{}, false
}

// ProbeARP is netdev.Devices.ProbeARP; the Fake's Neighbours answer at once.
func (f *Fake) ProbeARP(_ context.Context, name string, ip netip.Addr, _ time.Duration) ([]net.HardwareAddr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("probe", ip.String()); err != nil {
		return nil, err
	}
	if f.link(name) < 0 {
		return nil, fmt.Errorf("ask for %s on %s: %w", ip, name, unix.ENODEV)
	}
	return f.Neighbours[ip], nil
}
