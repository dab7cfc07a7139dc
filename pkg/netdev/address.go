package netdev

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Addresses lists the addresses of all interfaces. With a point-to-point address
// the prefix is that of the local end with the length of the remote one's.
func (d *Devices) Addresses() (map[lvs.AddressKey]lvs.Address, error) {
	links, err := d.Interfaces()
	if err != nil {
		return nil, err
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		names[l.Index] = l.Name
	}
	list, err := dump(func() ([]netlink.Addr, error) { return d.handle.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	all := make(map[lvs.AddressKey]lvs.Address, len(list))
	for _, a := range list {
		name, ok := names[a.LinkIndex]
		if !ok {
			continue // the interface came or went between the two listings
		}
		if addr, ok := address(name, a); ok {
			all[addr.AddressKey] = addr
		}
	}
	return all, nil
}

func address(name string, a netlink.Addr) (lvs.Address, bool) {
	ip, ok := netip.AddrFromSlice(a.IP)
	if !ok {
		return lvs.Address{}, false
	}
	mask := a.Mask
	if a.Peer != nil {
		mask = a.Peer.Mask
	}
	bits, _ := mask.Size()
	addr := lvs.Address{
		AddressKey: lvs.AddressKey{Interface: name, Prefix: netip.PrefixFrom(ip, bits)},
		NoDAD:      ip.Is6() && a.Flags&unix.IFA_F_NODAD != 0,
	}
	if a.Label != name {
		addr.Label = a.Label
	}
	return addr, true
}

// Add adds an address. It is unix.EEXIST if the interface has it (with IPv6,
// whatever the prefix length is), and unix.ENODEV if there is no such interface.
//
// An IPv6 address is added as deprecated, for ever: it works as any other, but
// the kernel does not choose it as the source of the host's own packets (RFC 6724
// §5, rule 3). A VIP with a prefix of 128 bits would otherwise often be the
// longest match, and a real server that has the VIP too takes what comes from
// there, a tunnel's packet or a check, for a forgery.
func (d *Devices) Add(a lvs.Address) error {
	l, err := d.link(a.Interface)
	if err == nil {
		err = d.add(l, a)
	}
	if err != nil {
		return fmt.Errorf("add %s: %w", a.AddressKey, err)
	}
	return nil
}

// Take adds an address, as Add does, and announces it at once, as Announce does:
// until the neighbours know where it is, they send its packets to whoever had it
// before. The interface is looked for only once, because clients wait.
func (d *Devices) Take(a lvs.Address) error {
	l, err := d.link(a.Interface)
	if err == nil {
		err = d.add(l, a)
	}
	if err != nil {
		return fmt.Errorf("add %s: %w", a.AddressKey, err)
	}
	if err := announce(l.Attrs(), a.Prefix.Addr()); err != nil {
		return fmt.Errorf("announce %s: %w", a.AddressKey, err)
	}
	return nil
}

func (d *Devices) add(l netlink.Link, a lvs.Address) error {
	addr := &netlink.Addr{IPNet: ipNet(a.Prefix), Label: a.Label}
	if a.Prefix.Addr().Is6() {
		addr.ValidLft, addr.PreferedLft = math.MaxUint32, 0
		if a.NoDAD {
			addr.Flags = unix.IFA_F_NODAD
		}
	}
	return d.handle.AddrAdd(l, addr)
}

// Delete deletes an address. It is unix.EADDRNOTAVAIL if the interface does not
// have it, and unix.ENODEV if there is no such interface.
//
// With the first IPv4 address of a subnet the kernel deletes all others of the
// subnet, unless the interface promotes one of them (promote_secondaries). Where
// there are others, Delete makes it do so and then puts the setting back.
func (d *Devices) Delete(k lvs.AddressKey) error {
	l, err := d.link(k.Interface)
	if err != nil {
		return fmt.Errorf("delete %s: %w", k, err)
	}
	restore, err := d.promote(l, k.Prefix)
	if err != nil {
		return fmt.Errorf("delete %s: keep the others of its subnet: %w", k, err)
	}
	err = d.handle.AddrDel(l, &netlink.Addr{IPNet: ipNet(k.Prefix)})
	if restoreErr := restore(); err == nil {
		err = restoreErr
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", k, err)
	}
	return nil
}

// promote makes the interface keep the other addresses of the subnet, if there
// are any, and gives the function that undoes it.
func (d *Devices) promote(l netlink.Link, p netip.Prefix) (restore func() error, err error) {
	nothing := func() error { return nil }
	if !p.Addr().Is4() || p.IsSingleIP() {
		return nothing, nil
	}
	list, err := dump(func() ([]netlink.Addr, error) { return d.handle.AddrList(l, netlink.FAMILY_V4) })
	if err != nil || !hasSecondary(list, p) {
		return nothing, err
	}
	path := "/proc/sys/net/ipv4/conf/" + l.Attrs().Name + "/promote_secondaries"
	old, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(old)) != "0" {
		return nothing, err
	}
	if err := os.WriteFile(path, []byte("1"), 0); err != nil {
		return nothing, err
	}
	return func() error { return os.WriteFile(path, old, 0) }, nil
}

// hasSecondary tells whether the subnet has an address that the kernel would
// delete with its first one.
func hasSecondary(list []netlink.Addr, p netip.Prefix) bool {
	for _, a := range list {
		ip, _ := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		if a.Flags&unix.IFA_F_SECONDARY != 0 && ip != p.Addr() && bits == p.Bits() && p.Contains(ip) {
			return true
		}
	}
	return false
}

func ipNet(p netip.Prefix) *net.IPNet {
	bits := p.Addr().BitLen()
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), bits)}
}
