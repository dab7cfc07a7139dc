package importer

import (
	"strconv"
	"strings"
)

// Ipvsadm reads what ipvsadm -Sn prints, and scripts that call ipvsadm in the same
// words.
func Ipvsadm(f File) (*Result, error) {
	d := &document{}
	d.head = []string{
		"Made by lvsd import ipvsadm of " + f.Name + ". See docs/coming-from.md for what is different afterwards.",
		"A table knows of no checks: without any, servers count as up. Give each service one, such as check = \"tcp\". " +
			"The VIPs come from where they came from; lvsd keeps them by a table [vip], and two directors share them by [vrrp.NAME].",
	}
	if d.text(f) {
		a := &ipvsadm{document: d, services: map[string]*ipvsService{}}
		for _, l := range parseIpvsadm(d, f) {
			a.line(l)
		}
		for _, s := range a.order {
			d.build(s.service)
		}
	}
	return d.finish()
}

type ipvsadm struct {
	*document
	services map[string]*ipvsService
	order    []*ipvsService
}

type ipvsService struct {
	*service
	key string
}

func (a *ipvsadm) line(l *ipvsLine) {
	switch l.command {
	case "add-service":
		a.service(l)
	case "add-server":
		a.server(l)
	case "set":
		a.set(l)
	case "start-daemon":
		a.daemon(l)
	case "clear":
		a.tell(l.pos, nil, "-C: lvsd leaves alone what others made; unmanaged = \"remove\" in [director] makes it the owner of the whole table")
	}
}

// key says which service a line is about.
func (a *ipvsadm) key(l *ipvsLine) (key, protocol string, o ipvsOption, ok bool) {
	for _, p := range []string{"tcp", "udp", "sctp", "fwmark"} {
		if o, ok := l.get(p + "-service"); ok {
			return p + " " + o.value, p, o, true
		}
	}
	a.fail(l.pos, "-t, -u or --sctp-service ADDRESS:PORT, or -f MARK", "the line names no virtual service")
	return "", "", o, false
}

func (a *ipvsadm) service(l *ipvsLine) {
	key, protocol, o, ok := a.key(l)
	if !ok {
		return
	}
	if a.services[key] != nil {
		a.fail(o.at, "each virtual service once", "%s is already there", key)
		return
	}
	s := &ipvsService{service: &service{}, key: key}
	a.services[key] = s
	a.order = append(a.order, s)
	if protocol == "fwmark" {
		s.name = a.unique("virtual", "mark-"+o.value)
		s.table = a.table(l.pos, "virtual", s.name)
		a.mark(s, l, o)
	} else {
		vip := splitPort(o.value)
		s.vips = []endpoint{vip}
		s.name = a.unique("virtual", serviceName(protocol, vip.port))
		s.table = a.table(l.pos, "virtual", s.name)
		s.table.set(o.at, "vip", vip.String())
		if protocol != "tcp" {
			s.table.set(o.at, "protocol", protocol)
		}
	}
	a.settings(s, l)
}

func (a *ipvsadm) mark(s *ipvsService, l *ipvsLine, o ipvsOption) {
	n, err := strconv.ParseInt(o.value, 10, 64)
	if err != nil {
		a.fail(o.at, "a number from 1 to 4294967295", "the firewall mark %q", o.value)
	}
	s.table.set(o.at, "fwmark", int(n))
	if six, ok := l.get("ipv6"); ok {
		s.table.set(six.at, "family", "ipv6")
	}
}

func (a *ipvsadm) settings(s *ipvsService, l *ipvsLine) {
	scheduler := ipvsOption{l.pos, "wlc"} // ipvsadm's default
	if o, ok := l.get("scheduler"); ok {
		scheduler = o
	}
	s.table.set(scheduler.at, "scheduler", scheduler.value)
	if o, ok := l.get("sched-flags"); ok {
		s.table.set(o.at, "scheduler_flags", strings.Split(o.value, ","))
	}
	if o, ok := l.get("ops"); ok {
		s.table.set(o.at, "one_packet", true)
	}
	o, ok := l.get("persistent")
	if !ok {
		return
	}
	timeout, ok := seconds(o.value)
	if !ok {
		a.fail(o.at, "a number of seconds", "-p %q", o.value)
	}
	s.persistent = true
	keys := inline{{key: "timeout", value: timeout}}
	if o, ok := l.get("netmask"); ok {
		keys = append(keys, entry{key: "netmask", value: netmask(o.value)})
	}
	if o, ok := l.get("pe"); ok {
		keys = append(keys, entry{key: "engine", value: o.value})
	}
	if len(keys) == 1 {
		s.table.set(o.at, "persistence", timeout)
		return
	}
	s.table.set(o.at, "persistence", keys)
}

func (a *ipvsadm) server(l *ipvsLine) {
	key, _, o, ok := a.key(l)
	if !ok {
		return
	}
	s := a.services[key]
	if s == nil {
		a.fail(o.at, "-A for it above", "%s is not there", key)
		return
	}
	real, ok := l.get("real-server")
	if !ok {
		a.fail(l.pos, "-r ADDRESS:PORT", "the line names no real server")
		return
	}
	r := &server{pos: l.pos, endpoint: splitPort(real.value), method: "dr"}
	if _, ok := l.get("masquerading"); ok {
		r.method = "nat"
	}
	if _, ok := l.get("ipip"); ok {
		r.method, r.tunnel = "tun", a.tunnel(l)
	}
	for _, k := range []struct{ theirs, ours string }{{"weight", "weight"}, {"u-threshold", "upper_threshold"}, {"l-threshold", "lower_threshold"}} {
		o, ok := l.get(k.theirs)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(o.value, 10, 32)
		if err != nil {
			a.fail(o.at, "a number", "%s %q", k.theirs, o.value)
		}
		if k.ours == "weight" && n == 0 {
			a.tell(o.at, s.table, "-w: %s has weight 0, perhaps because it had failed when the table was printed; a check would say", real.value)
		}
		if k.ours == "weight" && n == 1 || k.ours != "weight" && n == 0 {
			continue
		}
		r.keys = append(r.keys, entry{key: k.ours, value: int(n)})
	}
	s.reals = append(s.reals, r)
	if s.tunnel == nil {
		s.tunnel = r.tunnel
	}
}

// tunnel is the encapsulation; nil is ipip without more.
func (a *ipvsadm) tunnel(l *ipvsLine) inline {
	o, ok := l.get("tun-type")
	if !ok {
		return nil
	}
	t := inline{{key: "type", value: o.value}}
	if o, ok := l.get("tun-port"); ok {
		port, err := strconv.ParseUint(o.value, 10, 16)
		if err != nil {
			a.fail(o.at, "a port", "--tun-port %q", o.value)
		}
		t = append(t, entry{key: "port", value: int(port)})
	}
	for word, checksum := range checksums {
		if _, ok := l.get("tun-" + word); ok && o.value != "ipip" {
			t = append(t, entry{key: "checksum", value: checksum})
		}
	}
	return t
}

// set is the time-outs of all connections. 0 leaves one as it is.
func (a *ipvsadm) set(l *ipvsLine) {
	if len(l.args) != 3 {
		a.fail(l.pos, "--set TCP TCPFIN UDP", "--set has %d values", len(l.args))
		return
	}
	t := a.one(l.pos, "timeouts")
	for i, key := range []string{"tcp", "tcpfin", "udp"} {
		d, ok := seconds(l.args[i])
		if !ok {
			a.fail(l.pos, "three numbers of seconds", "--set %q", l.args[i])
		}
		if d > 0 {
			t.set(l.pos, key, d)
		}
	}
}

// daemon is the kernel's sync daemon.
func (a *ipvsadm) daemon(l *ipvsLine) {
	t := a.one(l.pos, "sync")
	mode := strings.Join(l.args, " ")
	if i := len(t.entries); i > 0 {
		mode = "both" // a line for each
	}
	for _, k := range []struct{ theirs, ours string }{
		{"mcast-interface", "interface"}, {"syncid", "id"}, {"mcast-group", "group"}, {"mcast-port", "port"}, {"mcast-ttl", "ttl"}, {"sync-maxlen", "maxlen"},
	} {
		o, ok := l.get(k.theirs)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(o.value, 10, 32); err == nil && k.ours != "interface" {
			t.set(o.at, k.ours, int(n))
		} else {
			t.set(o.at, k.ours, o.value)
		}
	}
	t.set(l.pos, "mode", mode)
}

// splitPort takes ADDRESS:PORT apart, where an IPv6 address has brackets.
func splitPort(s string) endpoint {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, port, _ := strings.Cut(rest, "]")
		return endpoint{host, strings.TrimPrefix(port, ":")}
	}
	host, port, _ := strings.Cut(s, ":")
	if port == "" {
		port = "0"
	}
	return endpoint{host, port}
}
