package netdev

import (
	"fmt"
	"net/netip"
)

// Source is the address that the kernel gives packets to a destination if nothing
// else is asked for. Without a route it is an error (unix.ENETUNREACH,
// unix.EHOSTUNREACH).
func (d *Devices) Source(to netip.Addr) (netip.Addr, error) {
	routes, err := d.handle.RouteGet(to.AsSlice())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find the route to %s: %w", to, err)
	}
	for _, r := range routes {
		if source, ok := netip.AddrFromSlice(r.Src); ok {
			return source.Unmap(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("find the route to %s: it has no source address", to)
}
