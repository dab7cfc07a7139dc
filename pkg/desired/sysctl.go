package desired

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// parameters collects sysctls; the first reason for one is the one shown.
type parameters map[string]lvs.Sysctl

func (p parameters) need(s lvs.Sysctl) {
	if _, ok := p[s.Key]; !ok {
		p[s.Key] = s
	}
}

func (p parameters) on(key, why string) { p.need(lvs.Sysctl{Key: key, Value: "1", Why: why}) }

func (p parameters) off(key, why string) { p.need(lvs.Sysctl{Key: key, Value: "0", Why: why}) }

// sysctls are the kernel parameters without which the rest of the state would
// not do what the configuration says.
func sysctls(c *config.Config, host Host, detours bool) map[string]lvs.Sysctl {
	p := parameters{}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			forwarding(p, v, key, host)
		}
		connections(p, v)
	}
	syncing(p, c.Sync, Silent(c, host.Addresses))
	hiding(p, BothOf(c, host.Addresses))
	virtualMAC(p, c)
	for _, prefix := range c.Masquerade {
		forward(p, lvs.FamilyOf(prefix.Addr()), "[nat] masquerades "+prefix.String())
	}
	if detours {
		p.on("net.ipv4.conf.lo.accept_local", "checks through the VIP get their answers over lo")
	}
	return p
}

// forwarding looks at all servers, whether they serve now or not: a parameter
// does not wait for the moment of need.
func forwarding(p parameters, v config.Virtual, key lvs.ServiceKey, host Host) {
	why := "virtual " + v.Name
	for _, r := range slices.Concat(v.Real, v.Fallback) {
		switch {
		case r.Address.IsLoopback():
		case r.Forwarding == lvs.NAT:
			forward(p, key.Family(), why+" forwards by NAT")
			noRedirects(p, r.Address, host, why+" forwards by NAT")
		case r.Forwarding == lvs.DR || r.Forwarding == lvs.TUN:
			looseFilter(p, key.VIP.Addr(), host, why+" forwards by "+r.Forwarding.String())
			reusePorts(p, key, why+" forwards by "+r.Forwarding.String())
		}
	}
}

// forward lets the answers of NAT and the masqueraded packets pass.
func forward(p parameters, f lvs.Family, why string) {
	if f == lvs.IPv4 {
		p.on("net.ipv4.ip_forward", why)
		return
	}
	p.on("net.ipv6.conf.all.forwarding", why)
}

// noRedirects keeps the director from telling a real server in the client's own
// network to answer the client directly, past the director's NAT. The kernel
// sends redirects if either parameter is on (IN_DEV_ORCONF).
func noRedirects(p parameters, server netip.Addr, host Host, why string) {
	name, ok := facing(server, host)
	if !ok || !server.Is4() {
		return
	}
	p.off("net.ipv4.conf.all.send_redirects", why)
	p.off("net.ipv4.conf."+quoted(name)+".send_redirects", why)
}

// reusePorts lets a client use a port again within the two minutes that IPVS
// remembers a connection whose answers it does not see: bit 2 has such a SYN
// scheduled anew. Without it, it is sent to the server of the old connection, and
// dropped silently when that was removed (is_new_conn_expected in
// net/netfilter/ipvs/ip_vs_core.c).
func reusePorts(p parameters, key lvs.ServiceKey, why string) {
	if key.Mark == 0 && key.Protocol != lvs.TCP {
		return
	}
	p.need(lvs.Sysctl{Key: "net.ipv4.vs.conn_reuse_mode", Value: "3", Accept: "2", Why: why})
}

// looseFilter lets the clients of a VIP in whose answers the director has no
// part reach it on an interface that does not lead back to them: with a strict
// reverse path filter (1) the kernel would drop them silently.
func looseFilter(p parameters, vip netip.Addr, host Host, why string) {
	if !vip.Is4() {
		return
	}
	for key := range host.Addresses {
		if key.Prefix.Addr() != vip || key.Interface == "lo" {
			continue
		}
		p.need(lvs.Sysctl{
			Key:    "net.ipv4.conf." + quoted(key.Interface) + ".rp_filter",
			Value:  "2",
			Accept: "0",
			Over:   "net.ipv4.conf.all.rp_filter",
			Why:    why,
		})
	}
}

// connections are the parameters of IPVS itself
// (Documentation/networking/ipvs-sysctl.rst).
func connections(p parameters, v config.Virtual) {
	const vs = "net.ipv4.vs."
	why := "virtual " + v.Name
	if v.SNAT {
		p.on(vs+"conntrack", why+" has snat")
	}
	// Without quiescence too: lvsd drain sets a weight to 0, and means it for the
	// clients that persistence would send there for hours.
	if v.Persistence > 0 {
		p.on(vs+"expire_quiescent_template", why+" is persistent")
	}
	if !v.Quiescent {
		p.on(vs+"expire_nodest_conn", why+" removes failed servers")
	}
	for _, key := range v.Keys {
		if key.Protocol == lvs.UDP {
			p.on(vs+"expire_nodest_conn", why+" is udp, whose clients would go on sending to a removed server")
		}
	}
}

// facing is the interface whose network the address is in: the one with the
// longest prefix.
func facing(a netip.Addr, host Host) (string, bool) {
	var best lvs.AddressKey
	for key := range host.Addresses {
		if !key.Prefix.Contains(a) || key.Prefix.IsSingleIP() {
			continue
		}
		longer := key.Prefix.Bits() - best.Prefix.Bits()
		if !best.Prefix.IsValid() || longer > 0 || longer == 0 && key.Compare(best) < 0 {
			best = key
		}
	}
	return best.Interface, best.Interface != ""
}

// quoted writes an interface's name as part of a parameter's key, where dots
// part the components (sysctl(8)).
func quoted(name string) string { return strings.ReplaceAll(name, ".", "/") }
