package realserver

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/sysctl"
)

// tunnelPrefix begins the names of the setup's tunnel devices.
const tunnelPrefix = "lvsd-"

// want gives what the host needs for a resolved configuration, in the order in
// which it is made: ARP is silent before a VIP is there, and a VIP is there only
// when all else is ready.
func (c Config) want(o observed) []Item {
	var items []Item
	items = append(items, c.arp(o)...)
	items = append(items, c.tunnels()...)
	items = append(items, c.clamps(o)...)
	items = append(items, c.routes()...)
	items = append(items, c.addresses(o)...)
	return unique(items)
}

// unique drops what is asked for twice: several VIPs share a tunnel.
func unique(items []Item) []Item {
	seen := map[string]bool{}
	return slices.DeleteFunc(items, func(i Item) bool {
		name := i.String()
		again := seen[name]
		seen[name] = true
		return again
	})
}

// arp keeps the host from answering for VIPs and from announcing them
// (Documentation/networking/ip-sysctl.rst). The kernel takes the larger value of
// an interface and of all, so that both have to be right.
func (c Config) arp(o observed) []Item {
	if !slices.ContainsFunc(c.VIPs, func(v VIP) bool { return v.onLoopback() && v.Address.Is4() }) {
		return nil
	}
	var items []Item
	for _, name := range append([]string{"all"}, c.Interfaces...) {
		if _, ok := o.link(name); !ok && name != "all" {
			continue // not yet there; the value of all is enough
		}
		items = append(items,
			// 2 (only for the same subnet) and 8 (for no address) keep silent as well.
			Item{Sysctl: &Sysctl{Key: sysctl.InterfaceKey("ipv4", name, "arp_ignore"), Value: "1", Accept: []string{"2", "8"}}},
			Item{Sysctl: &Sysctl{Key: sysctl.InterfaceKey("ipv4", name, "arp_announce"), Value: "2"}})
	}
	return items
}

// tunnels gives the devices for every combination of tunnel and addresses.
func (c Config) tunnels() []Item {
	var items []Item
	for _, v := range c.VIPs {
		if v.Forwarding == lvs.TUN && v.Tunnel.Type == lvs.GUE {
			items = append(items, Item{GUEPort: &netdev.GUEPort{Family: lvs.FamilyOf(v.Local), Port: v.Tunnel.Port}})
		}
	}
	inner4 := map[string]bool{}
	for _, t := range c.devices(inner4) {
		items = append(items, Item{Tunnel: &t})
		if inner4[t.Name] {
			items = append(items, looseFilter(t.Name))
		}
	}
	return items
}

// looseFilter lets packets out of a tunnel in, although the answers to them leave
// by another interface. Of the values of the interface and of all the larger one
// wins: 2 beats a strict 1, and lets in what there is a way back for; but only on
// an interface that has an address (see addresses).
func looseFilter(name string) Item {
	return Item{Sysctl: &Sysctl{
		Key: sysctl.InterfaceKey("ipv4", name, "rp_filter"), Value: "2",
		All: sysctl.InterfaceKey("ipv4", "all", "rp_filter"),
	}}
}

// devices gives the tunnel devices, numbered among their kind, and notes those
// that receive IPv4.
func (c Config) devices(inner4 map[string]bool) []netdev.Tunnel {
	type key struct {
		kind  netdev.TunnelKind
		local netip.Addr
	}
	has4 := map[key]bool{}
	for _, v := range c.VIPs {
		if v.Forwarding == lvs.TUN {
			k := key{kindOf(v), v.Local}
			has4[k] = has4[k] || v.Address.Is4()
		}
	}
	order := slices.SortedFunc(maps.Keys(has4), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), a.local.Compare(b.local))
	})
	number := map[netdev.TunnelKind]int{}
	var all []netdev.Tunnel
	for _, k := range order {
		t := netdev.Tunnel{Name: fmt.Sprintf("%s%s%d", tunnelPrefix, k.kind, number[k.kind]), Kind: k.kind, Local: k.local}
		number[k.kind]++
		inner4[t.Name] = has4[k]
		all = append(all, t)
	}
	return all
}

// kindOf is the device that receives a VIP's packets. Out of GUE they come as if
// they had been tunnelled in plain IP.
func kindOf(v VIP) netdev.TunnelKind {
	gre, outer4 := v.Tunnel.Type == lvs.GRE, v.Local.Is4()
	switch {
	case gre && outer4:
		return netdev.GRE
	case gre:
		return netdev.IP6GRE
	case outer4 && v.Address.Is4():
		return netdev.IPIP
	case outer4:
		return netdev.SIT
	}
	return netdev.IP6TNL
}

func (c Config) clamps(o observed) []Item {
	var items []Item
	for _, v := range c.VIPs {
		if v.Forwarding != lvs.TUN || c.NoClamp {
			continue
		}
		mss := int(c.MSS)
		if mss == 0 {
			mss = segment(c.mtu(o), v.Tunnel, lvs.FamilyOf(v.Address), lvs.FamilyOf(v.Local))
		}
		for _, r := range clamp(v.Address, mss) {
			items = append(items, Item{Rule: &r})
		}
	}
	return items
}

func (c Config) routes() []Item {
	if !c.SetRoute {
		return nil
	}
	var items []Item
	for _, half := range halves[lvs.FamilyOf(c.Director)] {
		items = append(items, Item{Route: &netdev.Route{Dst: half, Via: c.Director}})
	}
	return items
}

// addresses puts the VIPs on lo, IPv4 under the next free labels lo:0, lo:1, …, by
// which ifconfig(8) shows them too. An IPv4 VIP is also on its tunnel device: what
// comes out of one without any address, a loose filter drops like a strict one
// (__fib_validate_source, net/ipv4/fib_frontend.c).
func (c Config) addresses(o observed) []Item {
	taken := map[string]bool{}
	for a := range maps.Values(o.addresses) {
		taken[a.Label] = true
	}
	var items []Item
	for _, v := range c.VIPs {
		if v.Forwarding == lvs.TUN && v.Address.Is4() {
			for _, name := range c.devicesOf(v) {
				items = append(items, Item{Address: &lvs.Address{AddressKey: keyOn(name, v.Address)}})
			}
		}
	}
	for _, v := range c.VIPs {
		if !v.onLoopback() {
			continue
		}
		k := keyOn(loopback, v.Address)
		a := lvs.Address{AddressKey: k, NoDAD: v.Address.Is6()}
		if have, ok := o.addresses[k]; ok {
			a = have
		} else if v.Address.Is4() {
			a.Label = freeLabel(taken)
		}
		items = append(items, Item{Address: &a})
	}
	return items
}

func keyOn(name string, a netip.Addr) lvs.AddressKey {
	return lvs.AddressKey{Interface: name, Prefix: netip.PrefixFrom(a, a.BitLen())}
}

// freeLabel takes the first label that nobody has.
func freeLabel(taken map[string]bool) string {
	for n := 0; ; n++ {
		label := fmt.Sprintf("%s:%d", loopback, n)
		if !taken[label] {
			taken[label] = true
			return label
		}
	}
}
