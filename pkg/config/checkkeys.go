package config

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/health/check"
)

// rawCheckKeys are the keys that checks of every type have.
type rawCheckKeys struct {
	at
	Type         text     `toml:"type"`
	Interval     duration `toml:"interval"`
	FastInterval duration `toml:"fast_interval"`
	Timeout      duration `toml:"timeout"`
	Rise         number   `toml:"rise"`
	Fall         number   `toml:"fall"`
	Via          text     `toml:"via"`
	Address      text     `toml:"address"`
	Port         rawPort  `toml:"port"`
	Source       text     `toml:"source"`
	Mark         number   `toml:"mark"`
}

func (r *rawCheckKeys) decode(p *problems, n *node) { decodeTable(p, n, r, "a table") }

// rawPort is a number or the name of a service.
type rawPort struct {
	at
	value string
}

func (r *rawPort) decode(p *problems, n *node) {
	r.pos = n.pos
	switch v := n.value.(type) {
	case int64:
		r.value = strconv.FormatInt(v, 10)
	case string:
		r.value = v
	default:
		r.bad = true
		p.add(n.pos, aPort, "%s is %s", n.path, n.kind())
	}
}

// check reads one check; s is nil for one of [defaults]. It gives false if there
// is nothing to go on with.
func (c *checker) check(s *service, n *node) (Check, bool) {
	before := len(c.list)
	spec, keys, ok := c.spec(n)
	if !ok {
		return Check{}, false
	}
	sound := len(c.list) == before
	v := Check{Spec: spec, Timing: c.timing(keys)}
	v.ViaVIP = c.via(s, n, keys, spec.Kind())
	c.checkTarget(s, keys, &v)
	if !sound {
		return v, true
	}
	compiled, err := check.New(spec)
	if err != nil {
		c.addFields(n, spec.Kind(), err)
	} else if err := compiled.Preflight(); err != nil {
		c.addCause(n.pos, err, "%s check", spec.Kind())
	}
	return v, true
}

func (c *checker) timing(keys *rawCheckKeys) health.Timing {
	p := &c.problems
	t := health.Timing{
		Interval:     keys.Interval.in(p, "interval", health.MinInterval, maxInterval, 0),
		FastInterval: keys.FastInterval.in(p, "fast_interval", health.MinInterval, maxInterval, 0),
		Timeout:      keys.Timeout.in(p, "timeout", health.MinInterval, maxInterval, 0),
		Rise:         int(keys.Rise.in(p, "rise", 1, maxStreak, 0)),
		Fall:         int(keys.Fall.in(p, "fall", 1, maxStreak, 0)),
	}.WithDefaults()
	if t.FastInterval > t.Interval {
		c.add(keys.FastInterval.pos, "at most "+short(t.Interval), "fast_interval %s is longer than the interval", short(t.FastInterval))
	}
	return t
}

// via reads via. In [defaults] it means the services where it can be: those
// with a VIP.
func (c *checker) via(s *service, n *node, keys *rawCheckKeys, kind string) bool {
	word, ok := choose(&c.problems, &keys.Via, "way", []string{"server", "vip"}, word("server", "vip"))
	if !ok || word != "vip" {
		return false
	}
	if !check.NeedsPort(kind) {
		c.add(keys.Via.pos, "a type that connects to a port", "a check of type %q cannot go through the VIP", kind)
	}
	for _, other := range []struct {
		name string
		at
	}{{"address", keys.Address.at}, {"mark", keys.Mark.at}} {
		if other.given() {
			c.add(other.pos, "one of them", `%s has no effect with via = "vip"`, other.name)
		}
	}
	if s == nil || !s.raw.FWMark.given() {
		return true
	}
	if !c.ofDefaults(n) {
		c.add(keys.Via.pos, `via = "server"`, "virtual.%s has a firewall mark and no VIP to check through", s.name)
	}
	return false
}

// ofDefaults tells whether a check stands in [defaults] as it is.
func (c *checker) ofDefaults(n *node) bool {
	for _, d := range c.checkDefaults {
		if d == n {
			return true
		}
	}
	return false
}

// checkTarget reads where a check goes and comes from.
func (c *checker) checkTarget(s *service, keys *rawCheckKeys, v *Check) {
	v.Mark = uint32(keys.Mark.in(&c.problems, "mark", 1, maxUint32, 0))
	network := "tcp"
	if s != nil {
		network = s.network()
	}
	if keys.Port.ok() {
		v.Port, _ = c.port(keys.Port.pos, keys.Port.value, network)
		if keys.Port.value == "" || v.Port == 0 && strings.Trim(keys.Port.value, "0") == "" {
			c.add(keys.Port.pos, aPort, "port %q is no port", keys.Port.value)
		}
	}
	if keys.Address.ok() {
		v.Address, _ = c.address(keys.Address.pos, strings.Trim(keys.Address.value, "[]"), aHost, 0, true)
	}
	if keys.Source.ok() {
		v.Source = c.source(&keys.Source)
	}
}

func (c *checker) source(t *text) netip.Addr {
	addr, err := netip.ParseAddr(t.value)
	if err != nil || faultOf(addr) != "" {
		c.add(t.pos, "an address of the director", "%q is not the address of a host", t.value)
		return netip.Addr{}
	}
	return addr
}

// addFields tells what a check's type says about its fields, each at its place.
func (c *checker) addFields(n *node, kind string, err error) {
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, err := range list {
		pos := n.pos
		var field *check.FieldError
		if errors.As(err, &field) && n.table[field.Field] != nil {
			pos = n.table[field.Field].pos
		}
		c.add(pos, "", "%s check: %v", kind, err)
	}
}
