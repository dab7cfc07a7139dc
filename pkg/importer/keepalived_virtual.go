package importer

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
)

// defaultPersistence is keepalived's and the kernel's (IPVS_SVC_PERSISTENT_TIMEOUT).
const defaultPersistence = 360 * time.Second

// maxGroup is how many addresses a virtual_server_group may have.
const maxGroup = 1024

// target is what a virtual_server is for: addresses of one family, or a mark.
type target struct {
	pos  config.Position
	vips []endpoint
	mark string
	six  bool
}

// virtualServer makes a service of it, or several if its group has marks or both
// families.
func (k *keepalived) virtualServer(n *node) {
	var targets []target
	name := ""
	switch n.arg(0) {
	case "fwmark":
		targets = []target{{pos: n.at(1), mark: n.arg(1)}}
	case "group":
		g, ok := k.addresses[n.arg(1)]
		if !ok {
			k.fail(n.at(1), "the name of a virtual_server_group", "there is no virtual_server_group %s", n.arg(1))
			return
		}
		targets, name = k.targets(g), n.arg(1)
	case "":
		k.fail(n.pos, "ADDRESS PORT, fwmark NUMBER or group NAME", "virtual_server of nothing")
		return
	default:
		targets = []target{{pos: n.at(0), vips: []endpoint{{n.arg(0), n.arg(1)}}, six: strings.Contains(n.arg(0), ":")}}
	}
	for i, t := range targets {
		k.service(n, t, name, i > 0)
	}
}

// targets are the addresses and marks of a group.
func (k *keepalived) targets(g *node) []target {
	var four, six, marks []target
	for _, line := range g.block {
		if line.text == "fwmark" {
			marks = append(marks, target{pos: line.at(0), mark: line.arg(0), six: line.arg(1) == "inet6"})
			continue
		}
		vips := k.addressRange(line)
		family := &four
		if strings.Contains(line.text, ":") {
			family = &six
		}
		if len(*family) == 0 {
			*family = []target{{pos: line.pos, six: family == &six}}
		}
		(*family)[0].vips = append((*family)[0].vips, vips...)
	}
	all := append(four, six...)
	for _, t := range all {
		if len(t.vips) > maxGroup {
			k.fail(g.pos, fmt.Sprintf("at most %d", maxGroup), "virtual_server_group %s has %d addresses", g.arg(0), len(t.vips))
		}
	}
	return append(all, marks...)
}

// addressRange reads ADDRESS, FIRST-LAST with the last part alone or whole, or
// ADDRESS/PREFIX, with a port.
func (k *keepalived) addressRange(n *node) []endpoint {
	text := n.text
	hosts := []string{text}
	first, last, ranged := strings.Cut(text, "-")
	bad := func() []endpoint {
		k.fail(n.pos, fmt.Sprintf("an address, ADDRESS-LAST or ADDRESS/PREFIX of at most %d addresses", maxGroup), "%q", text)
		return nil
	}
	switch {
	case ranged:
		from, err := netip.ParseAddr(first)
		if !strings.ContainsAny(last, ".:") {
			sep := "."
			if from.Is6() {
				sep = ":"
			}
			last = first[:max(0, strings.LastIndex(first, sep))+1] + last
		}
		to, err2 := netip.ParseAddr(last)
		if err != nil || err2 != nil || from.Is4() != to.Is4() || to.Less(from) {
			return bad()
		}
		all, ok := between(from, to, maxGroup)
		if !ok {
			return bad()
		}
		hosts = all
	case strings.Contains(text, "/"):
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return bad()
		}
		all, ok := between(p.Masked().Addr(), lastOf(p.Masked()), maxGroup)
		if !ok {
			return bad()
		}
		hosts = all
	}
	vips := make([]endpoint, len(hosts))
	for i, h := range hosts {
		vips[i] = endpoint{h, n.arg(0)}
	}
	return vips
}

// kaService is a virtual_server in the making.
type kaService struct {
	*service
	props
	target
	node     *node
	protocol string
	again    bool // the same virtual_server has been translated for another target
}

func (k *keepalived) service(n *node, to target, name string, again bool) {
	v := &kaService{service: &service{method: "nat", vips: to.vips}, target: to, node: n, again: again}
	t := &table{pos: n.pos}
	remarks := len(k.remarks)
	v.props = k.block(n.block, keepalivedServer, t)
	v.protocol = "udp"
	if p := v.get("protocol"); p != nil {
		v.protocol = strings.ToLower(p.arg(0))
	}
	switch {
	case name != "" && to.mark != "":
		name += "-mark-" + to.mark
	case to.mark != "":
		name = "mark-" + to.mark
	case name == "":
		name = serviceName(v.protocol, to.vips[0].port)
	case again:
		name += "-ipv6"
	}
	v.service.name = k.unique("virtual", name)
	t.path = []string{"virtual", v.service.name}
	k.tables = append(k.tables, t)
	v.table = t
	k.key(v)
	k.scheduling(v)
	k.persistence(v)
	k.ways(v)
	quiet := k.servers(v)
	k.quiescent(v, quiet)
	k.quorum(v)
	k.sorry(v)
	k.build(v.service)
	if again {
		k.remarks = k.remarks[:remarks] // they have been told
		return
	}
	k.quorumHooks(v)
	k.mails.services = k.mails.services || k.alert(v.props, "smtp_alert_checker", false)
}

// key says what the service is for.
func (k *keepalived) key(v *kaService) {
	p := v.get("protocol")
	if v.mark != "" {
		n, err := strconv.ParseInt(v.mark, 10, 64)
		if err != nil {
			k.fail(v.target.pos, "a number from 1 to 4294967295", "fwmark %q", v.mark)
		}
		v.set(v.target.pos, "fwmark", int(n))
		if f := v.get("ip_family"); v.six || f != nil && f.arg(0) == "inet6" || k.sixServers(v) {
			v.set(v.target.pos, "family", "ipv6")
		}
		if p != nil {
			k.tell(p.pos, v.table, "protocol: a firewall mark has none; keepalived ignores it too")
		}
		return
	}
	all := list{}
	for _, vip := range v.vips0() {
		all = append(all, vip.String())
	}
	v.set(v.target.pos, "vip", single(all))
	switch {
	case p == nil:
		v.set(v.node.pos, "protocol", v.protocol, "what keepalived takes where the file says nothing")
	case v.protocol != "tcp":
		v.set(p.at(0), "protocol", v.protocol)
	}
}

// vips0 are the addresses with a port, 0 if there is none.
func (v *kaService) vips0() []endpoint {
	for i := range v.service.vips {
		if v.service.vips[i].port == "" {
			v.service.vips[i].port = "0"
		}
	}
	return v.service.vips
}

// sixServers tells whether a mark is of IPv6 because its servers are, which are not
// in tunnels.
func (k *keepalived) sixServers(v *kaService) bool {
	n := v.get("real_server")
	return n != nil && strings.Contains(n.arg(0), ":")
}

var schedulerFlags = []string{"flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback"}

func (k *keepalived) scheduling(v *kaService) {
	scheduler, pos := "wlc", v.node.pos
	for _, word := range []string{"lvs_sched", "lb_algo"} {
		if n := v.get(word); n != nil {
			scheduler, pos = n.arg(0), n.at(0)
		}
	}
	v.set(pos, "scheduler", scheduler)
	var flags []string
	for _, f := range schedulerFlags {
		if n := v.get(f); n != nil {
			flags, pos = append(flags, f), n.pos
		}
	}
	if len(flags) > 0 {
		v.set(pos, "scheduler_flags", flags)
	}
	if n := v.get("ops"); n != nil {
		if v.mark == "" && v.protocol != "udp" {
			k.tell(n.pos, v.table, "ops: only for udp; keepalived does not do it here either")
			return
		}
		v.set(n.pos, "one_packet", true)
	}
}

func (k *keepalived) persistence(v *kaService) {
	timeout, pos, given := defaultPersistence, v.node.pos, false
	if n := v.get("persistence_timeout"); n != nil {
		given, pos = true, n.pos
		if n.arg(0) != "" {
			timeout, _ = k.time(n, 0)
		}
	}
	keys := inline{{key: "timeout", value: timeout}}
	if n := v.get("persistence_granularity"); n != nil {
		given = true
		keys = append(keys, entry{key: "netmask", value: netmask(n.arg(0))})
	}
	if n := v.get("persistence_engine"); n != nil {
		given = true
		keys = append(keys, entry{key: "engine", value: n.arg(0)})
	}
	for _, vip := range v.service.vips {
		if !given && (vip.port == "0" || vip.port == "") {
			k.tell(v.target.pos, v.table, "persistence_timeout: a service of all ports needs it, and keepalived gives it 360")
			given = true
		}
	}
	if !given {
		return
	}
	v.persistent = true
	if len(keys) == 1 {
		v.set(pos, "persistence", timeout)
		return
	}
	v.set(pos, "persistence", keys)
}

// ways is how packets travel where a server does not say.
func (k *keepalived) ways(v *kaService) {
	for _, word := range []string{"lvs_method", "lb_kind"} {
		if n := v.get(word); n != nil {
			v.method, v.tunnel = k.method(n)
		}
	}
}

// method reads a way of forwarding, with the tunnel's type.
func (k *keepalived) method(n *node) (string, inline) {
	switch strings.ToUpper(n.arg(0)) {
	case "NAT":
		return "nat", nil
	case "DR":
		return "dr", nil
	case "TUN":
		return "tun", k.tunnel(n)
	}
	k.fail(n.at(0), "NAT, DR or TUN", "%s %q", n.text, n.arg(0))
	return "nat", nil
}

var checksums = map[string]string{"nocsum": "none", "csum": "checksum", "remcsum": "remote"}

func (k *keepalived) tunnel(n *node) inline {
	var t inline
	for i := 1; i < len(n.args); i++ {
		switch word := n.arg(i); word {
		case "type":
			i++
			t = append(t, entry{key: "type", value: n.arg(i)})
		case "port":
			i++
			if port, ok := k.number(n, i); ok {
				t = append(t, entry{key: "port", value: port})
			}
		case "nocsum", "csum", "remcsum":
			t = append(t, entry{key: "checksum", value: checksums[word]})
		default:
			k.fail(n.at(i), "type, port, nocsum, csum or remcsum", "%s TUN %q", n.text, word)
		}
	}
	return t
}

// servers reads the real servers. It counts those that keep their place when they
// fail.
func (k *keepalived) servers(v *kaService) (quiet int) {
	for _, n := range v.props["real_server"] {
		p := k.block(n.block, keepalivedReal, v.table)
		r := &server{pos: n.pos, endpoint: endpoint{n.arg(0), n.arg(1)}, method: v.method, tunnel: v.tunnel}
		for _, word := range []string{"lb_kind", "lvs_method"} {
			if n := p.get(word); n != nil {
				r.method, r.tunnel = k.method(n)
			}
		}
		k.serverKeys(v, p, r)
		on := p.get("inhibit_on_failure")
		if on == nil {
			on = v.get("inhibit_on_failure")
		}
		if on != nil && k.truth(on) {
			quiet++
		}
		r.checks = k.checks(v, n, p)
		v.reals = append(v.reals, r)
		if !v.again {
			k.serverHooks(v, n, p)
			k.mails.servers = k.mails.servers || k.alert(p, "smtp_alert_checker", true)
		}
	}
	return quiet
}

func (k *keepalived) serverKeys(v *kaService, p props, r *server) {
	weight := p.get("weight")
	if weight == nil {
		weight = v.get("weight")
	}
	if weight != nil {
		if w, ok := k.number(weight, 0); ok && w != 1 {
			r.keys = append(r.keys, entry{key: "weight", value: w})
		}
	}
	for _, x := range []struct{ theirs, ours string }{{"uthreshold", "upper_threshold"}, {"lthreshold", "lower_threshold"}} {
		if n := p.get(x.theirs); n != nil {
			if limit, ok := k.number(n, 0); ok {
				r.keys = append(r.keys, entry{key: x.ours, value: limit})
			}
		}
	}
}

func (k *keepalived) quiescent(v *kaService, quiet int) {
	n := v.get("inhibit_on_failure")
	switch {
	case quiet == 0:
		v.set(v.node.pos, "quiescent", false, "as without inhibit_on_failure; true keeps connections")
	case quiet < len(v.reals):
		k.tell(v.node.pos, v.table, "inhibit_on_failure: some servers have it; lvsd has one answer for a service, and keeps all of them at weight 0")
		fallthrough
	default:
		pos := v.node.pos
		if n != nil {
			pos = n.pos
		}
		v.set(pos, "quiescent", true)
	}
}

// quorum writes one above keepalived's default of 1, which is what lvsd does
// without. keepalived takes no more than all servers have.
func (k *keepalived) quorum(v *kaService) {
	n := v.get("quorum")
	if n == nil {
		return
	}
	weight, _ := k.number(n, 0)
	sum := 0
	for _, r := range v.reals {
		w := 1
		for _, e := range r.keys {
			if e.key == "weight" {
				w, _ = e.value.(int)
			}
		}
		sum += max(w, 0)
	}
	if weight > sum {
		k.tell(n.pos, v.table, "quorum: more than all servers have together; keepalived takes %d", sum)
		weight = sum
	}
	if weight <= 1 {
		return
	}
	h := v.get("hysteresis")
	if h == nil {
		v.set(n.at(0), "quorum", weight)
		return
	}
	more, _ := k.number(h, 0)
	v.set(n.at(0), "quorum", inline{{key: "weight", value: weight}, {key: "hysteresis", value: min(more, weight-1)}})
}

func (k *keepalived) sorry(v *kaService) {
	n := v.get("sorry_server")
	if n == nil {
		return
	}
	s := &server{pos: n.pos, endpoint: endpoint{n.arg(0), n.arg(1)}, method: v.method, tunnel: v.tunnel}
	if m := v.get("sorry_server_lvs_method"); m != nil {
		s.method, s.tunnel = k.method(m)
	}
	v.service.fallback = s
}

// quorumHooks are the programs for a service that has its quorum or not.
func (k *keepalived) quorumHooks(v *kaService) {
	for _, h := range []struct{ word, kind string }{{"quorum_up", "service-up"}, {"quorum_down", "service-down"}} {
		if n := v.get(h.word); n != nil {
			k.hook(n, hook{name: v.service.name + "-" + strings.TrimPrefix(h.word, "quorum_"), on: h.kind,
				when: `test "$LVSD_VIRTUAL" = ` + shellWords(v.service.name)})
		}
	}
}

// serverHooks are the programs for a real server, which is told apart by its address.
func (k *keepalived) serverHooks(v *kaService, server *node, p props) {
	for _, h := range []struct{ word, kind string }{{"notify_up", "server-up"}, {"notify_down", "server-down"}} {
		n := p.get(h.word)
		if n == nil {
			continue
		}
		k.hook(n, hook{name: v.service.name + "-" + k.host(server.arg(0)) + "-" + strings.TrimPrefix(h.word, "notify_"), on: h.kind,
			when: fmt.Sprintf(`test "$LVSD_VIRTUAL" = %s && test "$LVSD_REAL" = %s`, shellWords(v.service.name), shellWords(k.host(server.arg(0))))})
	}
}
