package lab

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Host is a network namespace that plays a machine.
type Host struct {
	Name string
	// V4 and V6 are the addresses of the first interface that was connected with such addresses.
	V4, V6 netip.Addr

	lab *Lab
	ns  netns.NsHandle
	nl  *netlink.Handle
}

// Namespace is the path of the host's network namespace.
func (h *Host) Namespace() string { return "/run/netns/" + h.Name }

// Do runs f on an operating system thread that is in the host's namespace. Sockets that f opens stay in it for ever; goroutines that f
// starts do not run in it. f must not end its goroutine, as testing's FailNow does.
func (h *Host) Do(f func() error) error {
	return onThread(h.lab.home, func() error {
		if err := netns.Set(h.ns); err != nil {
			return fmt.Errorf("enter namespace %s: %w", h.Name, err)
		}
		return f()
	})
}

func (h *Host) close() error {
	if h.nl != nil {
		h.nl.Close()
	}
	err := h.ns.Close()
	if derr := netns.DeleteNamed(h.Name); derr != nil {
		err = errors.Join(err, fmt.Errorf("remove namespace %s: %w", h.Name, derr))
	}
	return err
}

// Connect plugs a new interface dev of the host into a network and gives it addresses.
func (h *Host) Connect(network, dev string, addrs ...netip.Prefix) error {
	if !h.lab.networks[network] {
		return fmt.Errorf("connect %s to %s: %w", h.Name, network, unix.ENODEV)
	}
	port := h.Name + "-" + dev
	sw := h.lab.sw
	veth := &netlink.Veth{LinkAttrs: linkAttrs(port), PeerName: dev, PeerNamespace: netlink.NsFd(h.ns)}
	if err := sw.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("connect %s to %s: %w", h.Name, network, err)
	}
	br, err := sw.nl.LinkByName(network)
	if err != nil {
		return fmt.Errorf("find network %s: %w", network, err)
	}
	if err := sw.nl.LinkSetMaster(veth, br); err != nil {
		return fmt.Errorf("connect %s to %s: %w", h.Name, network, err)
	}
	if err := sw.SetLink(port, true); err != nil {
		return err
	}
	if err := h.SetLink(dev, true); err != nil {
		return err
	}
	for _, a := range addrs {
		if err := h.AddAddr(dev, a); err != nil {
			return err
		}
		switch {
		case a.Addr().Is4() && !h.V4.IsValid():
			h.V4 = a.Addr()
		case a.Addr().Is6() && !h.V6.IsValid():
			h.V6 = a.Addr()
		}
	}
	return nil
}

// SetLink sets an interface up or down.
func (h *Host) SetLink(dev string, up bool) error {
	link, err := h.nl.LinkByName(dev)
	if err != nil {
		return fmt.Errorf("find %s on %s: %w", dev, h.Name, err)
	}
	set := h.nl.LinkSetDown
	if up {
		set = h.nl.LinkSetUp
	}
	if err := set(link); err != nil {
		return fmt.Errorf("set %s on %s up=%t: %w", dev, h.Name, up, err)
	}
	return nil
}

// Unplug cuts or mends the cable of an interface: the host keeps its addresses and routes and only loses the carrier.
func (h *Host) Unplug(dev string, cut bool) error {
	return h.lab.sw.SetLink(h.Name+"-"+dev, !cut)
}

// MAC returns the link-layer address of an interface.
func (h *Host) MAC(dev string) (net.HardwareAddr, error) {
	link, err := h.nl.LinkByName(dev)
	if err != nil {
		return nil, fmt.Errorf("find %s on %s: %w", dev, h.Name, err)
	}
	return link.Attrs().HardwareAddr, nil
}

// AddAddr adds an address to an interface. An IPv6 address is usable at once.
func (h *Host) AddAddr(dev string, a netip.Prefix) error {
	return h.changeAddr("add", h.nl.AddrAdd, dev, address(a))
}

// AddVIP adds an address without a network to an interface, and in such a way that the host does not choose it as the source of its own
// packets. IPv6 would: a director would send its tunnels from the VIP, which a real server that has the VIP on lo takes for a forgery.
func (h *Host) AddVIP(dev string, vip netip.Addr) error {
	a := address(netip.PrefixFrom(vip, vip.BitLen()))
	if vip.Is6() {
		a.ValidLft, a.PreferedLft = math.MaxUint32, 0 // for ever, and deprecated
	}
	return h.changeAddr("add", h.nl.AddrAdd, dev, a)
}

// DelAddr removes an address from an interface.
func (h *Host) DelAddr(dev string, a netip.Prefix) error {
	return h.changeAddr("remove", h.nl.AddrDel, dev, address(a))
}

func address(a netip.Prefix) *netlink.Addr {
	addr := &netlink.Addr{IPNet: ipNet(a)}
	if a.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return addr
}

func (h *Host) changeAddr(verb string, change func(netlink.Link, *netlink.Addr) error, dev string, a *netlink.Addr) error {
	link, err := h.nl.LinkByName(dev)
	if err != nil {
		return fmt.Errorf("find %s on %s: %w", dev, h.Name, err)
	}
	if err := change(link, a); err != nil {
		return fmt.Errorf("%s %s on %s %s: %w", verb, a.IPNet, h.Name, dev, err)
	}
	return nil
}

// AddRoute routes dst through the neighbour via, replacing another route to dst.
func (h *Host) AddRoute(dst netip.Prefix, via netip.Addr) error {
	if err := h.nl.RouteReplace(&netlink.Route{Dst: ipNet(dst), Gw: via.AsSlice()}); err != nil {
		return fmt.Errorf("route %s via %s on %s: %w", dst, via, h.Name, err)
	}
	return nil
}

// SetDefaultRoute routes everything of via's family through via.
func (h *Host) SetDefaultRoute(via netip.Addr) error {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if via.Is6() {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return h.AddRoute(all, via)
}

// Neighbour returns the link-layer address that the host has for addr, nil if it has none.
func (h *Host) Neighbour(addr netip.Addr) (net.HardwareAddr, error) {
	neighbours, err := h.nl.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list neighbours of %s: %w", h.Name, err)
	}
	for _, n := range neighbours {
		if a, ok := netip.AddrFromSlice(n.IP); ok && a.Unmap() == addr && len(n.HardwareAddr) > 0 {
			return n.HardwareAddr, nil
		}
	}
	return nil, nil
}

// FlushNeighbours makes the host forget every link-layer address.
func (h *Host) FlushNeighbours() error {
	neighbours, err := h.nl.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list neighbours of %s: %w", h.Name, err)
	}
	for _, n := range neighbours {
		if n.State&unix.NUD_NOARP != 0 {
			continue
		}
		if err := h.nl.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("forget %s on %s: %w", n.IP, h.Name, err)
		}
	}
	return nil
}

// Sysctl reads a sysctl of the host's namespace, such as net.ipv4.ip_forward.
func (h *Host) Sysctl(name string) (string, error) {
	var b []byte
	err := h.Do(func() (err error) {
		b, err = os.ReadFile(sysctlPath(name))
		return err
	})
	return strings.TrimSpace(string(b)), err
}

// SetSysctl writes a sysctl of the host's namespace.
func (h *Host) SetSysctl(name, value string) error { return h.setSysctls(name, value) }

// setSysctls takes names and values in turn.
func (h *Host) setSysctls(namesAndValues ...string) error {
	return h.Do(func() error {
		for i := 0; i < len(namesAndValues); i += 2 {
			if err := os.WriteFile(sysctlPath(namesAndValues[i]), []byte(namesAndValues[i+1]), 0); err != nil {
				return fmt.Errorf("set sysctl on %s: %w", h.Name, err)
			}
		}
		return nil
	})
}

// EnableForwarding makes the host a router that sends no redirects.
func (h *Host) EnableForwarding() error {
	return h.setSysctls(
		"net.ipv4.ip_forward", "1",
		"net.ipv4.conf.all.send_redirects", "0",
		"net.ipv4.conf.default.send_redirects", "0",
		"net.ipv6.conf.all.forwarding", "1",
	)
}

func sysctlPath(name string) string { return "/proc/sys/" + strings.ReplaceAll(name, ".", "/") }

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// dialTimeout bounds every attempt to connect that has no nearer deadline.
const dialTimeout = 5 * time.Second
