package config

import (
	"errors"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// maxPersistence is ipvsadm's bound: 31 days.
const maxPersistence = 31 * 24 * time.Hour

const aNetmask = `a prefix length, or a mask such as "255.255.255.0"`

func (c *checker) settings(s *service) lvs.Settings {
	v := lvs.Settings{Scheduler: c.scheduler(&s.raw.Scheduler)}
	v.Flags = c.schedulerFlags(s, v.Scheduler) | c.onePacket(s)
	c.persistence(s, &v)
	return v
}

// defaults checks [defaults] by itself, so that a mistake shows even if every
// service has its own say.
func (c *checker) defaults(raw *rawSettings) {
	choose(&c.problems, &raw.Protocol, "protocol", lvs.Protocols, lvs.ParseProtocol)
	c.scheduler(&raw.Scheduler)
	c.serverDefaults(raw)
	raw.Persistence.Timeout.seconds(&c.problems, "persistence", 0, maxPersistence)
	c.checkDefaults = c.layer(nil, &raw.rawChecks)
	c.checks(nil, c.checkDefaults)
}

// scheduler gives "" if the word is unknown.
func (c *checker) scheduler(t *text) string {
	if !t.given() {
		return defaultScheduler
	}
	v, _ := choose(&c.problems, t, "scheduler", lvs.Schedulers, word(lvs.Schedulers...))
	return v
}

// schedulerFlags reads the flags. Those of [defaults] belong to the scheduler
// there, and do not follow a service to another.
func (c *checker) schedulerFlags(s *service, scheduler string) lvs.Flags {
	raw := &s.raw.SchedulerFlags
	if scheduler == "" || raw.inherited && s.raw.Scheduler.own() {
		return 0
	}
	var flags lvs.Flags
	for i := range raw.values {
		t := &raw.values[i]
		if !t.ok() {
			continue
		}
		flag, ok := lvs.ParseSchedulerFlag(scheduler, t.value)
		if !ok {
			known := lvs.SchedulerFlags(scheduler)
			c.add(t.pos, oneOf(known), "scheduler %s has no flag %q%s", scheduler, t.value, DidYouMean(t.value, known))
		}
		flags |= flag
	}
	return flags
}

// onePacket reads one_packet. The kernel heeds it for UDP only, so that is
// where a mark with it and the one of [defaults] mean it.
func (c *checker) onePacket(s *service) lvs.Flags {
	raw := &s.raw.OnePacket
	if !raw.ok() || !raw.value {
		return 0
	}
	if s.protocol == lvs.UDP || s.raw.FWMark.given() {
		return lvs.OnePacket
	}
	if raw.own() && s.protocol != 0 {
		c.add(raw.pos, `protocol = "udp"`, "one_packet is for udp only, virtual.%s is %s", s.name, s.protocol)
	}
	return 0
}

// persistence fills what persistence says. The kernel wants the netmask even
// of a service that is not persistent.
func (c *checker) persistence(s *service, v *lvs.Settings) {
	raw := &s.raw.Persistence
	v.Netmask = uint8(s.family.Bits())
	if !raw.ok() {
		return
	}
	if !raw.Timeout.given() {
		c.add(raw.pos, `timeout = "5m"`, "persistence has no timeout")
		return
	}
	if raw.Timeout.ok() && raw.Timeout.value == 0 { // turns off the one of [defaults]
		c.withoutPersistence("netmask", &raw.Netmask.at)
		c.withoutPersistence("engine", &raw.Engine.at)
		return
	}
	v.Persistence = raw.Timeout.seconds(&c.problems, "persistence", time.Second, maxPersistence)
	if s.family != 0 && !(raw.inherited && raw.Netmask.other(s.family)) {
		v.Netmask = c.netmask(&raw.Netmask, s.family)
	}
	v.Engine = c.engine(s)
}

func (c *checker) withoutPersistence(what string, a *at) {
	if a.given() {
		c.add(a.pos, "a timeout above 0s", "%s has no effect without persistence", what)
	}
}

// other tells whether a netmask can only be meant for the other family.
// [defaults] is for services of both.
func (r *rawNetmask) other(f lvs.Family) bool {
	v4 := r.dotted != "" || r.bits <= 32
	return v4 != (f == lvs.IPv4)
}

// netmask gives the prefix length.
func (c *checker) netmask(raw *rawNetmask, f lvs.Family) uint8 {
	if !raw.ok() {
		return uint8(f.Bits())
	}
	if raw.dotted == "" {
		n := number{at: raw.at, value: raw.bits}
		return uint8(n.in(&c.problems, "netmask of "+f.String(), 1, int64(f.Bits()), int64(f.Bits())))
	}
	bits, err := parseMask(raw.dotted)
	if err != nil || f != lvs.IPv4 {
		expected := `a prefix length from 1 to 32, or a mask such as "255.255.255.0"`
		if f != lvs.IPv4 {
			expected = "a prefix length from 1 to 128"
		}
		c.add(raw.pos, expected, "%q is not a netmask of %s", raw.dotted, f)
	}
	return uint8(bits)
}

// parseMask reads a mask in dotted notation.
func parseMask(s string) (int, error) {
	mask, err := netip.ParseAddr(s)
	if err != nil || !mask.Is4() {
		return 0, errors.New("not a mask")
	}
	for bits := 1; bits <= 32; bits++ {
		// The mask itself is the network of the all-ones address.
		ones := netip.AddrFrom4([4]byte{255, 255, 255, 255})
		if p, err := ones.Prefix(bits); err == nil && p.Addr() == mask {
			return bits, nil
		}
	}
	return 0, errors.New("not a mask")
}

// engine reads the persistence engine. The only one, sip, looks into UDP
// alone; for other packets the kernel silently does without
// (ip_vs_sip_fill_param, net/netfilter/ipvs/ip_vs_pe_sip.c).
func (c *checker) engine(s *service) string {
	raw := &s.raw.Persistence.Engine
	v, ok := choose(&c.problems, raw, "persistence engine", lvs.Engines, word(lvs.Engines...))
	if !ok {
		return ""
	}
	if s.protocol != 0 && s.protocol != lvs.UDP {
		if s.raw.Persistence.inherited {
			return ""
		}
		c.add(raw.pos, `protocol = "udp"`, "engine %s is for udp only, virtual.%s is %s", v, s.name, s.protocol)
	}
	return v
}
