package desired

import (
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Both is a virtual service of a director that is one of its real servers too, by
// direct routing, for VIPs that it shares with other directors. While another one
// is active this one is nothing but a real server: it has the VIPs without
// answering ARP for them, and its IPVS is silent. If it forwarded what the active
// director sends to it, the packets would go round in circles.
type Both struct {
	Virtual string
	VIPs    []netip.Addr
}

// BothOf finds such services by the addresses that the host has.
func BothOf(c *config.Config, addresses map[lvs.AddressKey]lvs.Address) []Both {
	shared, own := map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for _, v := range c.VRRP {
		for _, a := range v.VIPs {
			shared[a.Prefix.Addr()] = true
		}
	}
	for key := range addresses {
		own[key.Prefix.Addr()] = true
	}
	var all []Both
	for _, v := range c.Virtual {
		here := func(r config.Real) bool {
			return r.Forwarding == lvs.DR && own[r.Address] && !shared[r.Address] && !r.Address.IsLoopback()
		}
		b := Both{Virtual: v.Name}
		for _, key := range v.Keys {
			vip := key.VIP.Addr()
			if key.Mark == 0 && shared[vip] && !slices.Contains(b.VIPs, vip) {
				b.VIPs = append(b.VIPs, vip)
			}
		}
		if len(b.VIPs) > 0 && slices.ContainsFunc(v.Real, here) {
			all = append(all, b)
		}
	}
	return all
}

// Silent tells whether IPVS is to forward nothing while the host is a standby
// (backup_only).
func Silent(c *config.Config, addresses map[lvs.AddressKey]lvs.Address) bool {
	switch {
	case c.Sync == nil || c.Sync.BackupOnly == config.No:
		return false
	case c.Sync.BackupOnly == config.Yes:
		return true
	}
	return Hindrance(c) == "" && len(BothOf(c, addresses)) > 0
}

// Hindrance says what IPVS needs to be silent on a standby and on nobody else, or
// "": the kernel silences all services or none.
func Hindrance(c *config.Config) string {
	switch {
	case c.Sync == nil:
		return "a table [sync]"
	case c.Sync.Mode != config.SyncFollow:
		return `mode = "follow" in [sync]`
	case !config.MoveTogether(c.VRRP):
		return "one group of all tables [vrrp.NAME]"
	case c.Sync.BackupOnly == config.No:
		return "backup_only in [sync]"
	}
	return ""
}

// hidden are the VIPs on lo of a director that is a real server too. They stay
// there while it is active and has them on an interface as well, so that there is
// no moment in which they are not its own.
func hidden(c *config.Config, addresses map[lvs.AddressKey]lvs.Address) map[lvs.AddressKey]lvs.Address {
	all := map[lvs.AddressKey]lvs.Address{}
	for _, b := range BothOf(c, addresses) {
		for _, vip := range b.VIPs {
			key := lvs.AddressKey{Interface: "lo", Prefix: netip.PrefixFrom(vip, vip.BitLen())}
			all[key] = lvs.Address{AddressKey: key, NoDAD: vip.Is6()}
		}
	}
	return all
}

// hiding are the parameters without which a host would answer ARP for an address of
// lo, or speak of it (Documentation/networking/ip-sysctl.rst).
func hiding(p parameters, all []Both) {
	for _, b := range all {
		if !slices.ContainsFunc(b.VIPs, netip.Addr.Is4) {
			continue
		}
		why := "this director is a real server of virtual " + b.Virtual + " too"
		p.need(lvs.Sysctl{Key: "net.ipv4.conf.all.arp_ignore", Value: "1", Why: why})
		p.need(lvs.Sysctl{Key: "net.ipv4.conf.all.arp_announce", Value: "2", Why: why})
	}
}
