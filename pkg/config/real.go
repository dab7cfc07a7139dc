package config

import (
	"fmt"
	"net/netip"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func (c *checker) reals(s *service) []Real {
	entries := s.raw.Real.entries
	if len(entries) == 0 && len(s.raw.Fallback.values) == 0 && !s.raw.Real.bad && !s.raw.Fallback.bad {
		c.add(s.pos, fmt.Sprintf(`a table [virtual.%s.real] with NAME = "ADDRESS:PORT"`, s.name),
			"virtual.%s has neither a real server nor a fallback", s.name)
	}
	reals := make([]Real, 0, len(entries))
	for i := range entries {
		reals = append(reals, c.real(s, &entries[i]))
	}
	return reals
}

func (c *checker) real(s *service, e *entry[rawReal]) Real {
	raw := &e.value
	checkName(&c.problems, e.pos, "real server", e.name)
	if fallbackName.MatchString(e.name) {
		c.add(e.pos, "another name", "the name %q is kept for the fallback", e.name)
	}
	r := c.target(s, &target{pos: e.pos, bad: raw.bad, address: &raw.Address, forwarding: &raw.Forwarding, tunnel: &raw.Tunnel})
	r.Name = e.name
	r.Weight = int32(raw.Weight.in(&c.problems, "weight", 0, maxWeight, s.weight))
	r.Upper = uint32(raw.Upper.in(&c.problems, "upper_threshold", 0, maxThreshold, s.upper))
	r.Lower = uint32(raw.Lower.in(&c.problems, "lower_threshold", 0, maxThreshold, s.lower))
	c.thresholds(&r, &raw.Lower, &raw.Upper, &s.raw.Lower, &s.raw.Upper)
	r.Checks = c.serverChecks(s, e, &r)
	return r
}

// thresholds checks that the upper one is not below the lower one, as the
// kernel does (ip_vs_add_dest, net/netfilter/ipvs/ip_vs_ctl.c).
func (c *checker) thresholds(r *Real, from ...*number) {
	if r.Lower <= r.Upper {
		return
	}
	expected := fmt.Sprintf("an upper_threshold of at least %d", r.Lower)
	for _, n := range from {
		if n.given() {
			c.add(n.pos, expected, "lower_threshold %d is above upper_threshold %d", r.Lower, r.Upper)
			return
		}
	}
}

// target is what a real server and a fallback have in common.
type target struct {
	pos        Position // of the whole
	bad        bool
	fallback   bool
	address    *text
	forwarding *text
	tunnel     *rawTunnel
}

func (c *checker) target(s *service, t *target) Real {
	r := Real{Forwarding: c.forwarding(t.forwarding, s.forwarding)}
	if !t.bad && !t.address.given() {
		c.add(t.pos, `address = "ADDRESS:PORT"`, "the server has no address")
	}
	addr, port, ok := c.endpoint(t.address, s.network(), aTarget, s.family, r.Forwarding == lvs.TUN)
	if ok && t.fallback && !t.forwarding.given() && addr.IsLoopback() {
		r.Forwarding = lvs.DR // what is delivered on the director itself keeps its address
	}
	if r.Forwarding == lvs.TUN {
		r.Tunnel = c.tunnel(t.tunnel, s.tunnel)
	} else if t.tunnel.ok() {
		c.add(t.tunnel.pos, `forwarding = "tun"`, "a tunnel without tunnelling: the server is forwarded to by %s", r.Forwarding)
	}
	if ok {
		r.Address, r.Port = addr, port
		c.reach(s, t.address.pos, &r)
	}
	return r
}

// reach checks that the kernel can forward to a server by its method.
func (c *checker) reach(s *service, pos Position, r *Real) {
	if s.family != 0 && lvs.FamilyOf(r.Address) != s.family && r.Forwarding != lvs.TUN {
		c.add(pos, fmt.Sprintf("an %s address, or forwarding = \"tun\"", s.family),
			"%s cannot be reached by %s from the %s service %s", r.Address, r.Forwarding, s.family, s.keys[0])
		return
	}
	if r.Address.Is6() && r.Address.IsLinkLocalUnicast() {
		c.add(pos, "another address of the server", "%s is of one link, and the kernel takes it for no real server", r.Address)
	}
	if r.Forwarding == lvs.NAT && r.Address.IsLoopback() {
		c.add(pos, `forwarding = "dr" for a server on the director itself`,
			"%s cannot be reached by nat: the kernel drops what is rewritten to a loopback address", r.Address)
	}
	if r.Port != 0 {
		c.mapping(s, pos, r)
	}
}

// mapping checks the port of a server. Only NAT maps ports, and the kernel
// ignores the port where the service itself has none, but for a mark that is
// not persistent (ip_vs_sched_persist, net/netfilter/ipvs/ip_vs_core.c).
func (c *checker) mapping(s *service, pos Position, r *Real) {
	nat := r.Forwarding == lvs.NAT
	for _, k := range s.keys {
		switch port := k.VIP.Port(); {
		case port == r.Port, nat && port != 0, nat && k.Mark != 0 && !s.persistent:
			continue
		case port == 0:
			c.add(pos, "the address without a port", "port %d has no effect: packets to %s keep their port", r.Port, k)
		default:
			c.add(pos, portExpected(s, r), "%s cannot change the port of %s to %d: only nat maps ports", r.Forwarding, k, r.Port)
		}
		return
	}
}

// portExpected says which ports a server that is not behind NAT may have.
func portExpected(s *service, r *Real) string {
	expected := "no port"
	if len(s.keys) == 1 {
		expected = fmt.Sprintf("port %d or none", s.keys[0].VIP.Port())
	}
	if r.Address.IsLoopback() {
		return expected + ": the director itself gets the packets as they are"
	}
	return expected + `, or forwarding = "nat"`
}

// servers checks a service's servers against each other.
func (c *checker) servers(s *service, reals, fallbacks []Real) {
	first := map[serverOf]string{}
	for i, r := range reals {
		raw := &s.raw.Real.entries[i].value
		c.once(s, first, raw.Address.pos, r)
	}
	for i, r := range fallbacks {
		c.once(s, first, s.raw.Fallback.values[i].Address.pos, r)
	}
	c.tunnelUsed(s, reals, fallbacks)
}

// serverOf is a server behind one of a service's keys.
type serverOf struct {
	service lvs.ServiceKey
	server  netip.AddrPort
}

func (c *checker) once(s *service, first map[serverOf]string, pos Position, r Real) {
	if !r.Address.IsValid() {
		return
	}
	for _, k := range s.keys {
		key := serverOf{k, r.Server(k).Key}
		if old, twice := first[key]; twice {
			c.add(pos, "each server once in a service", "%s is already the server %s of virtual.%s", key.server, old, s.name)
			return
		}
		first[key] = fmt.Sprintf("%s at %s", r.Name, pos)
	}
}

// tunnelUsed refuses a tunnel in a service that tunnels nowhere. The one of
// [defaults] is for the services that do.
func (c *checker) tunnelUsed(s *service, groups ...[]Real) {
	if !s.raw.Tunnel.own() || s.forwarding == lvs.TUN {
		return
	}
	for _, group := range groups {
		for _, r := range group {
			if r.Forwarding == lvs.TUN {
				return
			}
		}
	}
	c.add(s.raw.Tunnel.pos, `forwarding = "tun"`, "a tunnel without tunnelling: virtual.%s forwards by %s", s.name, s.forwarding)
}
