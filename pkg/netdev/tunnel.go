package netdev

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TunnelKind is what a tunnel device takes packets out of, by the kernel's word.
type TunnelKind string

// The kinds of tunnel devices that IPVS has use for.
const (
	IPIP   TunnelKind = "ipip"   // IPv4 in IPv4
	SIT    TunnelKind = "sit"    // IPv6 in IPv4
	IP6TNL TunnelKind = "ip6tnl" // both in IPv6
	GRE    TunnelKind = "gre"    // both in GRE in IPv4
	IP6GRE TunnelKind = "ip6gre" // both in GRE in IPv6
)

// Tunnel is a device that receives the tunnelled packets of every sender.
type Tunnel struct {
	Name  string
	Kind  TunnelKind
	Local netip.Addr // to which they are addressed; invalid is any
}

// Tunnels lists the tunnel devices that have no fixed remote end, by name.
func (d *Devices) Tunnels() (map[string]Tunnel, error) {
	links, err := dump(d.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list tunnels: %w", err)
	}
	all := map[string]Tunnel{}
	for _, l := range links {
		if local, remote, ok := ends(l); ok && (remote == nil || remote.IsUnspecified()) {
			t := Tunnel{Name: l.Attrs().Name, Kind: TunnelKind(l.Type())}
			if a, ok := netip.AddrFromSlice(local); ok && !a.IsUnspecified() {
				t.Local = a
			}
			all[t.Name] = t
		}
	}
	return all, nil
}

// ends gives the addresses of a tunnel device's ends.
func ends(l netlink.Link) (local, remote net.IP, ok bool) {
	switch l := l.(type) {
	case *netlink.Iptun:
		return l.Local, l.Remote, true
	case *netlink.Sittun:
		return l.Local, l.Remote, true
	case *netlink.Ip6tnl:
		return l.Local, l.Remote, true
	case *netlink.Gretun:
		return l.Local, l.Remote, true
	}
	return nil, nil, false
}

// AddTunnel makes a tunnel device, which is down. It is unix.EEXIST if the name
// is taken, or if another device of the kind has the same local address.
func (d *Devices) AddTunnel(t Tunnel) error {
	l, err := tunnelLink(t)
	if err == nil {
		err = d.handle.LinkAdd(l)
	}
	if err != nil {
		return fmt.Errorf("add tunnel %s: %w", t.Name, err)
	}
	return nil
}

// allowLocalRemote lets in what comes from an address that the host itself has
// (IP6_TNL_F_ALLOW_LOCAL_REMOTE, include/uapi/linux/ip6_tunnel.h). A director
// whose VIP is a /128 in the subnet of the real server sends from the VIP.
const allowLocalRemote = 0x40

func tunnelLink(t Tunnel) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = t.Name
	local := net.IP(t.Local.AsSlice())
	switch t.Kind {
	case IPIP:
		return &netlink.Iptun{LinkAttrs: attrs, Local: local}, nil
	case SIT:
		return &netlink.Sittun{LinkAttrs: attrs, Local: local}, nil
	case IP6TNL:
		return &netlink.Ip6tnl{LinkAttrs: attrs, Local: local, Flags: allowLocalRemote}, nil
	case GRE, IP6GRE: // the library tells them apart by the address
		return &netlink.Gretun{LinkAttrs: attrs, Local: local}, nil
	}
	return nil, fmt.Errorf("unknown kind of tunnel %q", t.Kind)
}

// DeleteTunnel deletes a tunnel device; another device of that name is
// unix.EINVAL, and none unix.ENODEV.
func (d *Devices) DeleteTunnel(name string) error {
	l, err := d.link(name)
	if err == nil {
		if _, _, ok := ends(l); !ok {
			err = unix.EINVAL
		} else {
			err = d.handle.LinkDel(l)
		}
	}
	if err != nil {
		return fmt.Errorf("delete tunnel %s: %w", name, err)
	}
	return nil
}

// SetUp sets an interface up; one that is up stays so.
func (d *Devices) SetUp(name string) error {
	l, err := d.link(name)
	if err == nil {
		err = d.handle.LinkSetUp(l)
	}
	if err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}
