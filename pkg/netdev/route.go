package netdev

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Route is a route of the main table.
type Route struct {
	Dst netip.Prefix
	Via netip.Addr // the gateway; invalid if the destination is on the link
}

// Path is the way that the kernel would send a packet.
type Path struct {
	Interface string
	Via       netip.Addr // the gateway; invalid if the destination is on the link
	Source    netip.Addr // the host's address that the packet leaves with if it asks for no other
	Local     bool       // the destination is the host itself
}

// Path asks for the way to an address (`ip route get`). It is unix.ENETUNREACH if
// there is none.
func (d *Devices) Path(dst netip.Addr) (Path, error) {
	routes, err := d.handle.RouteGet(dst.AsSlice())
	if err == nil && len(routes) == 0 {
		err = unix.ENETUNREACH
	}
	if err != nil {
		return Path{}, fmt.Errorf("find the route to %s: %w", dst, err)
	}
	r := routes[0]
	l, err := d.handle.LinkByIndex(r.LinkIndex)
	if err != nil {
		return Path{}, fmt.Errorf("find the interface of the route to %s: %w", dst, err)
	}
	via, _ := netip.AddrFromSlice(r.Gw)
	source, _ := netip.AddrFromSlice(r.Src)
	return Path{Interface: l.Attrs().Name, Via: via, Source: source.Unmap(), Local: r.Type == unix.RTN_LOCAL}, nil
}

// AddRoute adds a route. It is unix.EEXIST if there is one to the destination.
func (d *Devices) AddRoute(r Route) error {
	if err := d.handle.RouteAdd(netlinkRoute(r)); err != nil {
		return fmt.Errorf("add route to %s via %s: %w", r.Dst, r.Via, err)
	}
	return nil
}

// DeleteRoute deletes a route. It is unix.ESRCH if there is none such.
func (d *Devices) DeleteRoute(r Route) error {
	if err := d.handle.RouteDel(netlinkRoute(r)); err != nil {
		return fmt.Errorf("delete route to %s via %s: %w", r.Dst, r.Via, err)
	}
	return nil
}

// Routes gives the gateways of the routes to a destination in the main table.
func (d *Devices) Routes(dst netip.Prefix) ([]Route, error) {
	filter := &netlink.Route{Dst: ipNet(dst), Table: unix.RT_TABLE_MAIN}
	list, err := dump(func() ([]netlink.Route, error) {
		return d.handle.RouteListFiltered(familyOf(dst.Addr()), filter, netlink.RT_FILTER_DST|netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list routes to %s: %w", dst, err)
	}
	var routes []Route
	for _, r := range list {
		via, _ := netip.AddrFromSlice(r.Gw)
		routes = append(routes, Route{Dst: dst, Via: via})
	}
	return routes, nil
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

func netlinkRoute(r Route) *netlink.Route {
	return &netlink.Route{Dst: ipNet(r.Dst), Gw: net.IP(r.Via.AsSlice())}
}
