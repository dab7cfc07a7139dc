package config

import (
	"math"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// defaultScheduler is that of ipvsadm and keepalived.
const defaultScheduler = "wlc"

// maxThreshold is what every kernel takes: newer ones refuse more, such as Debian's
// 6.12. A server's connections are counted by a signed number.
const maxThreshold = math.MaxInt32

// maxWeight is the largest weight that every reader of the table understands:
// ipvsadm writes up to 65535.
const maxWeight = 65535

// service is a virtual service while it is checked.
type service struct {
	*entry[rawVirtual]
	raw        *rawVirtual
	keys       []lvs.ServiceKey
	family     lvs.Family   // 0 if no key could be read
	protocol   lvs.Protocol // 0 with a mark, or if it could not be read
	persistent bool
	checkNodes checkNodes // of servers without checks of their own
	checks     []Check    // the same, read
	serverDefaults
}

// serverDefaults is what the real servers of a service take from it.
type serverDefaults struct {
	forwarding lvs.Forwarding
	tunnel     lvs.Tunnel
	weight     int64
	upper      int64
	lower      int64
}

// network is what the resolver calls the services' protocol.
func (s *service) network() string {
	if s.protocol == lvs.TCP || s.protocol == lvs.UDP {
		return s.protocol.String()
	}
	return "ip"
}

func (c *checker) virtual(e *entry[rawVirtual], defaults *rawSettings, g *Guard) Virtual {
	raw := &e.value
	checkName(&c.problems, e.pos, "virtual service", e.name)
	if raw.bad {
		return Virtual{}
	}
	inherit(&raw.rawSettings, defaults)
	s := &service{entry: e, raw: raw}
	s.protocol = c.protocol(raw)
	s.persistent = raw.Persistence.Timeout.ok() && raw.Persistence.Timeout.value > 0
	s.keys = c.keys(s)
	if len(s.keys) > 0 {
		s.family = s.keys[0].Family()
	}
	s.serverDefaults = c.serverDefaults(&raw.rawSettings)
	v := Virtual{
		Name:      e.name,
		Keys:      s.keys,
		Settings:  c.settings(s),
		Quiescent: raw.Quiescent.or(true),
	}
	v.Quorum = c.quorum(&raw.Quorum)
	v.MinAvailable = int(raw.MinAvailable.in(&c.problems, "min_available", 0, 100, 0))
	v.Limits = c.serviceLimits(s, g)
	v.SlowStart = raw.SlowStart.in(&c.problems, "slow_start", 0, maxSlowStart, 0)
	s.checkNodes = c.layer(c.checkDefaults, &raw.rawChecks)
	s.checks = c.checks(s, s.checkNodes)
	v.Real = c.reals(s)
	v.Fallback = c.fallbacks(s)
	c.servers(s, v.Real, v.Fallback)
	v.SNAT = c.snat(s, v.Real, v.Fallback)
	return v
}

func (c *checker) serverDefaults(raw *rawSettings) serverDefaults {
	return serverDefaults{
		forwarding: c.forwarding(&raw.Forwarding, lvs.DR),
		tunnel:     c.tunnel(&raw.Tunnel, lvs.Tunnel{}),
		weight:     raw.Weight.in(&c.problems, "weight", 0, maxWeight, 1),
		upper:      raw.Upper.in(&c.problems, "upper_threshold", 0, maxThreshold, 0),
		lower:      raw.Lower.in(&c.problems, "lower_threshold", 0, maxThreshold, 0),
	}
}

// snat checks that there is something to masquerade. From [defaults] it means
// the services for which there is.
func (c *checker) snat(s *service, groups ...[]Real) bool {
	snat := &s.raw.SNAT
	if !snat.ok() || !snat.value {
		return false
	}
	nat := false
	for _, group := range groups {
		for _, r := range group {
			nat = nat || r.Forwarding == lvs.NAT
		}
	}
	if s.raw.FWMark.given() && snat.own() {
		c.add(snat.pos, "vip instead of fwmark", "snat needs a service with an address to match")
	} else if !nat && snat.own() {
		c.add(snat.pos, `forwarding = "nat"`, "snat has nothing to do: no real server of virtual.%s is forwarded to by nat", s.name)
	}
	return nat && !s.raw.FWMark.given()
}
