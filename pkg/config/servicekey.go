package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// protocol gives the protocol of a service with a VIP.
func (c *checker) protocol(raw *rawVirtual) lvs.Protocol {
	if raw.FWMark.given() {
		if raw.Protocol.own() {
			c.add(raw.Protocol.pos, "no protocol", "a firewall mark is of all protocols")
		}
		return 0
	}
	if !raw.Protocol.given() {
		return lvs.TCP
	}
	p, _ := choose(&c.problems, &raw.Protocol, "protocol", lvs.Protocols, lvs.ParseProtocol)
	return p
}

// keys reads vip or fwmark.
func (c *checker) keys(s *service) []lvs.ServiceKey {
	switch raw := s.raw; {
	case raw.VIP.given() && raw.FWMark.given():
		c.add(raw.FWMark.pos, "one of them", "virtual.%s has both vip and fwmark", s.name)
		return nil
	case raw.VIP.given():
		return c.vips(s)
	case raw.FWMark.given():
		return c.mark(s)
	}
	c.add(s.pos, `vip = "ADDRESS:PORT" or fwmark = NUMBER`, "virtual.%s has neither vip nor fwmark", s.name)
	return nil
}

func (c *checker) mark(s *service) []lvs.ServiceKey {
	family, ok := choose(&c.problems, &s.raw.Family, "family", []string{"ipv4", "ipv6"}, parseFamily)
	if !ok && s.raw.Family.given() {
		return nil
	}
	if !ok {
		family = lvs.IPv4
	}
	mark := s.raw.FWMark.in(&c.problems, "fwmark", 1, maxUint32, 0)
	if mark == 0 {
		return nil
	}
	key := lvs.MarkKey(uint32(mark), family)
	c.claim(key, s.name, s.raw.FWMark.pos)
	return []lvs.ServiceKey{key}
}

func parseFamily(s string) (lvs.Family, error) {
	for _, f := range []lvs.Family{lvs.IPv4, lvs.IPv6} {
		if f.String() == s {
			return f, nil
		}
	}
	return 0, fmt.Errorf("unknown family %q", s)
}

func (c *checker) vips(s *service) []lvs.ServiceKey {
	if s.raw.Family.given() {
		c.add(s.raw.Family.pos, "family only with fwmark", "the vip tells the family")
	}
	if s.raw.VIP.ok() && len(s.raw.VIP.values) == 0 {
		c.add(s.raw.VIP.pos, anEndpoint, "vip is an empty list")
	}
	var keys []lvs.ServiceKey
	for i := range s.raw.VIP.values {
		t := &s.raw.VIP.values[i]
		addr, port, ok := c.endpoint(t, s.network(), anEndpoint, 0, false)
		if !ok || !c.vipPort(s, t, port) {
			continue
		}
		key := lvs.AddrKey(s.protocol, netip.AddrPortFrom(addr, port))
		if len(keys) > 0 && keys[0].Family() != key.Family() {
			c.add(t.pos, "addresses of one family; a service of its own for the other",
				"%s stands beside %s", addr, keys[0].VIP.Addr())
			continue
		}
		if s.protocol != 0 {
			c.claim(key, s.name, t.pos)
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// vipPort checks the port of a VIP. The kernel schedules port 0, which is
// every port, for persistent services only (ip_vs_schedule, ip_vs_core.c).
func (c *checker) vipPort(s *service, t *text, port uint16) bool {
	if e, _ := splitEndpoint(t.value); e.port == "" {
		c.add(t.pos, anEndpoint, "vip %q has no port", t.value)
		return false
	}
	if port == 0 && !s.persistent && !s.raw.Persistence.bad {
		c.add(t.pos, "a port, or persistence", "port 0, every port, works with persistence only")
		return false
	}
	return true
}

// claim is where the service with a key is declared.
type claim struct {
	name string
	pos  Position
}

func (c *checker) claim(key lvs.ServiceKey, name string, pos Position) {
	if old, taken := c.claims[key]; taken {
		c.add(pos, "each service once", "%s is already declared by virtual.%s at %s", key, old.name, old.pos)
		return
	}
	c.claims[key] = claim{name, pos}
}
