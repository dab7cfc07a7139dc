package netdev

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// VirtualLinks lists the macvlan interfaces by name.
func (d *Devices) VirtualLinks() (map[string]lvs.VirtualLink, error) {
	links, err := dump(d.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list virtual interfaces: %w", err)
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	all := map[string]lvs.VirtualLink{}
	for _, l := range links {
		if _, ok := l.(*netlink.Macvlan); ok {
			a := l.Attrs()
			all[a.Name] = lvs.VirtualLink{Name: a.Name, Base: names[a.ParentIndex], MAC: a.HardwareAddr.String()}
		}
	}
	return all, nil
}

// AddVirtualLink makes a macvlan interface and sets it up, for addresses that
// neighbours are to find at its hardware address and at no other. It is unix.EEXIST
// if the name is taken, and unix.ENODEV if there is no such interface to base it on.
//
// The mode is "bridge": in "private", the kernel keeps from the interface below what
// comes from the same hardware address, and so the adverts of a second active router.
func (d *Devices) AddVirtualLink(v lvs.VirtualLink) error {
	if err := d.addVirtualLink(v); err != nil {
		return fmt.Errorf("add interface %s: %w", v, err)
	}
	return nil
}

func (d *Devices) addVirtualLink(v lvs.VirtualLink) error {
	base, err := d.link(v.Base)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(v.MAC)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.HardwareAddr = v.Name, base.Attrs().Index, mac
	l := &netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_BRIDGE}
	if err := d.handle.LinkAdd(l); err != nil {
		return err
	}
	err = behave(v.Name)
	if err == nil {
		err = d.handle.LinkSetUp(l)
	}
	if err != nil {
		err = errors.Join(err, d.handle.LinkDel(l))
	}
	return err
}

// behave sets what an interface with a shared hardware address needs: it says
// nothing of its own accord, because every router of the pair has that address
// sometimes; it answers ARP for its own addresses only; and it takes packets that
// the host would answer over the interface below.
func behave(name string) error {
	for _, p := range []struct{ key, value string }{
		{"ipv6/conf/" + name + "/addr_gen_mode", "1"}, // no link-local address (IN6_ADDR_GEN_MODE_NONE)
		{"ipv6/conf/" + name + "/accept_ra", "0"},
		{"ipv4/conf/" + name + "/arp_ignore", "1"},
		{"ipv4/conf/" + name + "/arp_announce", "2"},
	} {
		if err := os.WriteFile(netSysctls+p.key, []byte(p.value), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// A strict reverse path filter is made loose; one that is off stays so. The larger
	// value of all interfaces and this one is in force.
	for _, key := range []string{"ipv4/conf/all/rp_filter", "ipv4/conf/" + name + "/rp_filter"} {
		value, err := os.ReadFile(netSysctls + key)
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(value)) == "1" {
			return os.WriteFile(netSysctls+"ipv4/conf/"+name+"/rp_filter", []byte("2"), 0)
		}
	}
	return nil
}

const netSysctls = "/proc/sys/net/"

// DeleteVirtualLink deletes a macvlan interface with its addresses; another one of
// that name is unix.EINVAL, and none unix.ENODEV.
func (d *Devices) DeleteVirtualLink(name string) error {
	l, err := d.link(name)
	if err == nil {
		if _, ok := l.(*netlink.Macvlan); ok {
			err = d.handle.LinkDel(l)
		} else {
			err = unix.EINVAL
		}
	}
	if err != nil {
		return fmt.Errorf("delete interface %s: %w", name, err)
	}
	return nil
}
