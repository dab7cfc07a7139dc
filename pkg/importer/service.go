package importer

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
)

// endpoint is an address or host name with a port, "" for none.
type endpoint struct{ host, port string }

func (e endpoint) String() string {
	host := e.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if e.port == "" {
		return host
	}
	return host + ":" + e.port
}

func (e endpoint) loopback() bool {
	a, err := netip.ParseAddr(e.host)
	return err == nil && a.IsLoopback()
}

// service is a virtual service as all peers know it.
type service struct {
	*table
	name       string
	vips       []endpoint // empty for a mark
	persistent bool
	reals      []*server
	fallback   *server
	method     string // of servers that do not say
	tunnel     inline
}

// server is a real server or a fallback.
type server struct {
	pos config.Position
	endpoint
	method string // "nat", "dr" or "tun"
	tunnel inline
	keys   []entry // further ones
	checks []check
}

// check is a check with its keys.
type check struct {
	pos  config.Position
	keys []entry
}

func (c *check) set(pos config.Position, key string, value any, note ...string) {
	t := table{entries: c.keys}
	t.set(pos, key, value, note...)
	c.keys = t.entries
}

func (c *check) has(key string) bool {
	return slices.ContainsFunc(c.keys, func(e entry) bool { return e.key == key })
}

func (c *check) kind() string {
	for _, e := range c.keys {
		if e.key == "type" {
			return value(e.value)
		}
	}
	return ""
}

// same tells whether two lists of checks say the same.
func same(a, b []check) bool {
	return slices.EqualFunc(a, b, func(a, b check) bool { return value(inline(a.keys)) == value(inline(b.keys)) })
}

// build finishes a service's table: its way of forwarding, its servers and checks.
func (d *document) build(s *service) {
	s.method = usual(s)
	s.set(s.pos, "forwarding", s.method)
	switch {
	case s.method != "tun":
		s.tunnel = nil
	case s.tunnel != nil:
		s.set(s.pos, "tunnel", s.tunnel)
	}
	for _, r := range s.reals {
		d.place(s, r)
	}
	if s.fallback != nil {
		d.place(s, s.fallback)
		s.set(s.fallback.pos, "fallback", s.fallback.value(s))
	}
	d.checks(s)
	d.reals(s)
}

// usual is the way of forwarding that most servers have: it is the service's.
func usual(s *service) string {
	best, count := s.method, map[string]int{}
	for _, r := range s.reals {
		count[r.method]++
		if count[r.method] > count[best] {
			best = r.method
		}
	}
	if best == "" {
		return "dr"
	}
	return best
}

// place makes a server one that the kernel can forward to: nat does not reach the
// director itself, and only nat maps ports. A check keeps the port that it asked.
func (d *document) place(s *service, r *server) {
	if r.method == "nat" && r.loopback() {
		r.method = "dr"
		d.tell(r.pos, s.table, "%s: nat cannot reach the director itself, whose packets stay as they are: it is dr now", r.endpoint)
	}
	if r.port == "" || r.port == "0" {
		r.port = ""
		return
	}
	mapped := r.method == "nat" && (len(s.vips) > 0 || !s.persistent) && !slices.ContainsFunc(s.vips, func(v endpoint) bool { return v.port == "" || v.port == "0" })
	if mapped {
		return
	}
	other := len(s.vips) == 0 || slices.ContainsFunc(s.vips, func(v endpoint) bool { return !samePort(v.port, r.port) })
	if other {
		for i := range r.checks {
			if c := &r.checks[i]; !c.has("port") && !slices.Contains(portless, c.kind()) {
				c.set(r.pos, "port", portValue(r.port))
			}
		}
		d.tell(r.pos, s.table, "%s: port %s has no effect on packets, which keep that of the virtual service; it is left out", r.endpoint, r.port)
	}
	r.port = ""
}

// portless are the types of checks that need no port.
var portless = []string{`"icmp"`, `"exec"`, `"on"`, `"off"`}

// portValue is a port as a key has it: a number, or the name of a service.
func portValue(port string) any {
	if strings.Trim(port, "0123456789") == "" {
		if n, ok := portNumber(port); ok {
			return n
		}
	}
	return port
}

// value is a server as it stands in its service.
func (r *server) value(s *service) any {
	keys := inline{{key: "address", value: r.endpoint.String()}}
	local := r == s.fallback && r.loopback() // whose way of forwarding follows from that
	if r.method != s.method && !local || local && r.method != "dr" {
		keys = append(keys, entry{key: "forwarding", value: r.method})
	}
	if r.method == "tun" && r.tunnel != nil && value(r.tunnel) != value(s.tunnel) {
		keys = append(keys, entry{key: "tunnel", value: r.tunnel})
	}
	keys = append(keys, r.keys...)
	if len(keys) == 1 {
		return keys[0].value
	}
	return keys
}

// checks writes the checks that most servers have into the service. A server
// without any is always up there.
func (d *document) checks(s *service) {
	var common []check
	most := 0
	for _, r := range s.reals {
		n := 0
		for _, o := range s.reals {
			if same(r.checks, o.checks) {
				n++
			}
		}
		if n > most && len(r.checks) > 0 {
			common, most = r.checks, n
		}
	}
	if most == 0 || slices.ContainsFunc(s.reals, func(r *server) bool { return len(r.checks) > 1 && !same(r.checks, common) }) {
		return
	}
	d.checkTables(common, "virtual", s.name)
	for _, r := range s.reals {
		switch {
		case same(r.checks, common):
			r.checks = nil
		case len(r.checks) == 0:
			r.keys = append(r.keys, entry{key: "check", value: "on"})
		}
	}
}

// checkTables writes the checks of a table.
func (d *document) checkTables(all []check, path ...string) {
	path = slices.Clip(path)
	names := names{}
	for _, c := range all {
		under := append(path, "check")
		if len(all) > 1 {
			under = append(path, "checks", names.unique("check", strings.Trim(c.kind(), `"`)))
		}
		d.table(c.pos, under...).entries = c.keys
	}
}

// reals writes the table of real servers. One with checks of its own is a table of
// its own.
func (d *document) reals(s *service) {
	var t *table
	used := names{}
	var own []*server
	called := map[*server]string{}
	for _, r := range s.reals {
		name := d.host(r.host)
		if used.taken["real."+name] && r.port != "" {
			name += "-" + r.port
		}
		called[r] = used.unique("real", name)
		if len(r.checks) > 0 {
			own = append(own, r)
			continue
		}
		if t == nil {
			t = d.table(r.pos, "virtual", s.name, "real")
		}
		t.set(r.pos, called[r], r.value(s))
	}
	for _, r := range own {
		t := d.table(r.pos, "virtual", s.name, "real", called[r])
		keys, ok := r.value(s).(inline)
		if !ok {
			keys = inline{{key: "address", value: r.endpoint.String()}}
		}
		for _, e := range keys {
			t.set(r.pos, e.key, e.value, e.note)
		}
		d.checkTables(r.checks, append([]string{}, t.path...)...)
	}
}
