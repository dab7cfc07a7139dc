package desired

import (
	"maps"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Links gives the interfaces with a virtual router's hardware address: those of
// the instances in which this director is active. An undecided instance keeps what
// carries a VIP.
func Links(c *config.Config, host Host) map[string]lvs.VirtualLink {
	want := map[string]lvs.VirtualLink{}
	for _, v := range c.VRRP {
		if v.Virtual.Name == "" {
			continue
		}
		switch host.Roles[v.Name] {
		case lvs.Active:
			want[v.Virtual.Name] = v.Virtual
		case lvs.Undecided:
			for _, a := range v.VIPs {
				if _, there := host.Addresses[a.AddressKey]; there && a.Interface == v.Virtual.Name {
					want[v.Virtual.Name] = v.Virtual
				}
			}
		}
	}
	return want
}

// lasting are the addresses on interfaces that do not come and go with a role.
// Those that do get their parameters when they are made.
func lasting(c *config.Config, addresses map[lvs.AddressKey]lvs.Address) map[lvs.AddressKey]lvs.Address {
	stay := maps.Clone(addresses)
	for _, v := range c.VRRP {
		maps.DeleteFunc(stay, func(k lvs.AddressKey, _ lvs.Address) bool {
			return v.Virtual.Name != "" && k.Interface == v.Virtual.Name
		})
	}
	return stay
}

// virtualMAC keeps the interface below from answering ARP for VIPs that are on a
// virtual one, and from asking in their name: neighbours would learn its hardware
// address.
func virtualMAC(p parameters, c *config.Config) {
	for _, v := range c.VRRP {
		if v.Virtual.Name == "" {
			continue
		}
		why := "vrrp " + v.Name + " has a virtual MAC"
		conf := func(key string) string { return "net.ipv4.conf." + quoted(v.Interface) + "." + key }
		p.need(lvs.Sysctl{Key: conf("arp_ignore"), Value: "1", Accept: "2", Over: "net.ipv4.conf.all.arp_ignore", Why: why})
		p.need(lvs.Sysctl{Key: conf("arp_announce"), Value: "2", Over: "net.ipv4.conf.all.arp_announce", Why: why})
	}
}
