package realserver

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

const loopback = "lo"

// outside stands for all clients: documentation addresses (RFC 5737, RFC 3849), to
// which no host has a route of its own.
var outside = map[lvs.Family]netip.Addr{
	lvs.IPv4: netip.MustParseAddr("198.51.100.1"),
	lvs.IPv6: netip.MustParseAddr("2001:db8::1"),
}

// resolve fills in what the configuration leaves to be found, and checks it
// against the host.
func (c Config) resolve(k *Kernel, o observed) (Config, error) {
	if err := c.check(); err != nil {
		return c, err
	}
	if lo, ok := o.link(loopback); !ok || !lo.Up {
		return c, errors.New("the interface lo is down: set it up with `ip link set lo up`")
	}
	var err error
	if c.Interfaces, err = c.facing(k, o); err != nil {
		return c, err
	}
	c.VIPs = slices.Clone(c.VIPs)
	for i := range c.VIPs {
		if err := c.fits(c.VIPs[i], o); err != nil {
			return c, err
		}
		if c.VIPs[i].Forwarding == lvs.TUN && !c.VIPs[i].Local.IsValid() {
			if c.VIPs[i].Local, err = c.local(c.VIPs[i].Address, o); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

// facing gives the interfaces that face the director.
func (c Config) facing(k *Kernel, o observed) ([]string, error) {
	found := slices.Clone(c.Interfaces)
	for _, name := range found {
		if _, ok := o.link(name); !ok && !c.Early {
			return nil, fmt.Errorf("there is no interface %s", name)
		}
	}
	if len(found) == 0 {
		found = c.guess(k, o)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) == 0 && !c.Early {
		return nil, errors.New("no interface has a default route or a VIP's subnet: say which one faces the director")
	}
	return found, nil
}

// guess takes the interfaces with a VIP's subnet, and those to the outside.
func (c Config) guess(k *Kernel, o observed) []string {
	var found []string
	for _, v := range c.VIPs {
		for a := range o.addresses {
			if a.Interface != loopback && !a.Prefix.IsSingleIP() && a.Prefix.Contains(v.Address) {
				found = append(found, a.Interface)
			}
		}
	}
	for _, to := range outside {
		if p, err := k.Devices.Path(to); err == nil && p.Interface != loopback {
			found = append(found, p.Interface)
		}
	}
	return found
}

// fits tells what makes a VIP impossible on this host.
func (c Config) fits(v VIP, o observed) error {
	for _, a := range slices.SortedFunc(maps.Keys(o.addresses), lvs.AddressKey.Compare) {
		switch {
		case strings.HasPrefix(a.Interface, tunnelPrefix):
			continue // the setup's own
		case a.Prefix.Addr() == v.Address && a.Interface != loopback:
			return fmt.Errorf("VIP %s is an address of %s: there it would be announced to the network; delete it with `%s`",
				v.Address, a.Interface, address{lvs.Address{AddressKey: a}}.undoing()[0])
		case a.Prefix.Addr() == v.Address && !a.Prefix.IsSingleIP():
			return fmt.Errorf("VIP %s is on lo with the prefix length %d, so that all of %s seems to be this host; delete it with `%s`",
				v.Address, a.Prefix.Bits(), a.Prefix.Masked(), address{lvs.Address{AddressKey: a}}.undoing()[0])
		case isBroadcast(a.Prefix, v.Address):
			return fmt.Errorf("VIP %s is the network's or the broadcast address of %s on %s", v.Address, a.Prefix.Masked(), a.Interface)
		}
	}
	if v.Local.IsValid() && !c.Early && !slices.ContainsFunc(slices.Collect(maps.Keys(o.addresses)), func(a lvs.AddressKey) bool { return a.Prefix.Addr() == v.Local }) {
		return fmt.Errorf("VIP %s: %s, to which the director sends, is not an address of this host", v.Address, v.Local)
	}
	return nil
}

// isBroadcast tells whether an address is the first or the last of an IPv4 subnet.
func isBroadcast(subnet netip.Prefix, a netip.Addr) bool {
	if !a.Is4() || !subnet.Contains(a) || subnet.Bits() > 30 {
		return false
	}
	mask := ^uint32(0) >> subnet.Bits()
	host := be32(a) & mask
	return host == 0 || host == mask
}

func be32(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// local finds the host's own address to which the director sends.
func (c Config) local(vip netip.Addr, o observed) (netip.Addr, error) {
	for _, a := range slices.SortedFunc(maps.Keys(o.addresses), lvs.AddressKey.Compare) {
		own := a.Prefix.Addr()
		if slices.Contains(c.Interfaces, a.Interface) && own.Is4() == vip.Is4() && !own.IsLinkLocalUnicast() {
			return own, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("VIP %s: %s has no address of its family: say to which one the director sends",
		vip, strings.Join(c.Interfaces, ", "))
}

// ethernetMTU is taken where no larger one would be known to fit (RFC 894).
const ethernetMTU = 1500

// mtu is the smallest MTU of the interfaces that face the director, in bytes. A
// larger one than Ethernet's says nothing of the way behind the director.
func (c Config) mtu(o observed) int {
	smallest := ethernetMTU
	for _, name := range c.Interfaces {
		if l, ok := o.link(name); ok {
			smallest = min(smallest, l.MTU)
		}
	}
	return smallest
}

// privileged tells whether the kernel would let this process set anything up
// (capabilities(7)).
func privileged() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read this process's capabilities: %w", err)
	}
	if data[0].Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return errors.New("this needs root, or the capability CAP_NET_ADMIN")
	}
	return nil
}
