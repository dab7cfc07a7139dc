package desired

import (
	"net/netip"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Lists are the guard's lists that the configuration does not have itself: what
// its files say, and what is blocked by command. A list of which not all is known
// is partial: nothing is taken off it.
type Lists struct {
	Allow, Block               lvs.PrefixSet
	AllowPartial, BlockPartial bool
}

// Guard is what the guard should hold; nil if there should be none.
func Guard(c *config.Config, host Host, lists Lists) *lvs.Guard {
	if c.Guard == nil {
		return nil
	}
	g := &lvs.Guard{
		Interfaces:    map[string]lvs.GuardLink{},
		VIPs:          guardVIPs(c, host),
		Allow:         lvs.Union(c.Guard.Allow.Prefixes, lists.Allow, directors(c)),
		Block:         lvs.Union(c.Guard.Block.Prefixes, lists.Block),
		GuardSettings: lvs.GuardSettings{Enforce: c.Guard.Enforce, Sample: c.Guard.Sample},
	}
	for _, name := range c.Guard.Interfaces {
		g.Interfaces[name] = lvs.GuardLink{Mode: c.Guard.Mode}
	}
	return g
}

// partial are the lists of which not all is known.
func partial(c *config.Config, l Lists) map[lvs.GuardList]bool {
	all := map[lvs.GuardList]bool{}
	if c.Guard != nil && l.AllowPartial {
		all[lvs.AllowList] = true
	}
	if c.Guard != nil && l.BlockPartial {
		all[lvs.BlockList] = true
	}
	return all
}

// directors are the other directors that the configuration names: whatever they
// send passes.
func directors(c *config.Config) lvs.PrefixSet {
	var set lvs.PrefixSetBuilder
	add := func(peers []netip.Addr) {
		for _, a := range peers {
			set.Add(netip.PrefixFrom(a, a.BitLen()))
		}
	}
	for _, v := range c.VRRP {
		for _, l := range v.Links {
			add(l.Peers)
		}
	}
	if c.Sync != nil {
		add(c.Sync.Peers)
	}
	return set.Set()
}

// guardVIPs are the addresses of services and those that [vip] and [vrrp] give to
// interfaces, whether this director has them now or not.
func guardVIPs(c *config.Config, host Host) map[netip.Addr]lvs.GuardVIP {
	all := map[netip.Addr]lvs.GuardVIP{}
	h := hostingOf(c, host)
	vip := func(a netip.Addr) lvs.GuardVIP {
		v, ok := all[a]
		if !ok {
			v = lvs.GuardVIP{
				Limits: c.Guard.Limits,
				Ports:  map[lvs.GuardPort]lvs.GuardLimits{},
				Shared: h.shared(a),
			}
			for _, p := range c.Guard.OpenPorts {
				v.Ports[lvs.GuardPort{Protocol: p.Protocol, Port: p.Number}] = c.Guard.Limits
			}
			all[a] = v
		}
		return v
	}
	served := map[netip.Addr]bool{}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			if key.Mark == 0 {
				openPorts(vip(key.VIP.Addr()).Ports, v, key)
				served[key.VIP.Addr()] = true
			}
		}
	}
	for _, a := range carried(c) {
		vip(a.Prefix.Addr())
	}
	marked := marks(c)
	for a, v := range all {
		// Nobody but the firewall knows the ports of a mark. And where no service has
		// an address, what it is for is not lvsd's to say.
		if marked[lvs.FamilyOf(a)] || !served[a] {
			v.Ports[lvs.GuardPort{}] = c.Guard.Limits
		}
	}
	return all
}

// openPorts opens the ports of a service: port 0 is all of them, and so it is for
// FTP by NAT, whose data connections come to any.
func openPorts(ports map[lvs.GuardPort]lvs.GuardLimits, v config.Virtual, key lvs.ServiceKey) {
	ports[lvs.GuardPort{Protocol: key.Protocol, Port: key.VIP.Port()}] = v.Limits
	if key.Protocol == lvs.TCP && key.VIP.Port() == ftp && forwards(v, lvs.NAT) {
		ports[lvs.GuardPort{Protocol: lvs.TCP}] = v.Limits
	}
}

// carried are the addresses that lvsd gives to interfaces.
func carried(c *config.Config) []lvs.Address {
	all := c.Addresses[:len(c.Addresses):len(c.Addresses)]
	for _, v := range c.VRRP {
		all = append(all, v.VIPs...)
	}
	return all
}

// marks are the families that have a service with a firewall mark.
func marks(c *config.Config) map[lvs.Family]bool {
	all := map[lvs.Family]bool{}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			if key.Mark != 0 {
				all[key.MarkOf] = true
			}
		}
	}
	return all
}

// hosting is what the host's addresses tell of VIPs.
type hosting struct {
	vips    map[netip.Addr]bool     // that lvsd gives to interfaces
	devices map[netip.Addr][]string // with a VIP
	another map[device]bool         // with an address of the family that is no VIP
	stray   map[netip.Addr]bool     // that the host has without lvsd
	masked  map[lvs.Family]bool     // in which others are masqueraded
}

type device struct {
	name   string
	family lvs.Family
}

func hostingOf(c *config.Config, host Host) hosting {
	h := hosting{
		vips: map[netip.Addr]bool{}, devices: map[netip.Addr][]string{}, another: map[device]bool{}, stray: map[netip.Addr]bool{},
		masked: map[lvs.Family]bool{lvs.IPv6: masquerades(c, lvs.IPv6)},
	}
	for _, a := range carried(c) {
		addr := a.Prefix.Addr()
		h.vips[addr] = true
		h.devices[addr] = append(h.devices[addr], a.Interface)
	}
	for key := range host.Addresses {
		addr := key.Prefix.Addr()
		if h.vips[addr] {
			h.devices[addr] = append(h.devices[addr], key.Interface)
			continue
		}
		h.stray[addr] = true
		// IPv6's own address of the link is for the link only.
		if !addr.IsLinkLocalUnicast() {
			h.another[device{key.Interface, lvs.FamilyOf(addr)}] = true
		}
	}
	return h
}

// shared tells whether answers to what the host itself or others through it asked
// come to a VIP: on an interface where no other address of its family is, the
// kernel takes it for the host's own connections. With IPv6 it may be taken for
// what is masqueraded, too (nf_nat_masquerade_ipv6, net/netfilter/nf_nat_masquerade.c).
func (h hosting) shared(vip netip.Addr) bool {
	family := lvs.FamilyOf(vip)
	if h.masked[family] || h.stray[vip] {
		return true
	}
	for _, name := range h.devices[vip] {
		if !h.another[device{name, family}] {
			return true
		}
	}
	return false
}

func masquerades(c *config.Config, family lvs.Family) bool {
	for _, p := range c.Masquerade {
		if lvs.FamilyOf(p.Addr()) == family {
			return true
		}
	}
	for _, v := range c.Virtual {
		if v.SNAT && len(v.Keys) > 0 && v.Keys[0].Family() == family {
			return true
		}
	}
	return false
}
