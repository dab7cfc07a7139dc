package importer

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
)

// Ldirectord reads an ldirectord.cf. Its error is an Errors of what ldirectord
// would not take either.
func Ldirectord(f File) (*Result, error) {
	d := &document{}
	d.head = []string{
		"Made by lvsd import ldirectord of " + f.Name + ". See docs/coming-from.md for what is different afterwards.",
		"The VIPs come from where they came from: heartbeat, a script, the system's network configuration. lvsd keeps them " +
			"by a table [vip], and two directors share them by [vrrp.NAME].",
	}
	d.ldirectord(f)
	return d.finish()
}

// ldirectord adds what an ldirectord.cf declares.
func (d *document) ldirectord(f File) {
	if !d.text(f) {
		return
	}
	file := parseLdirectord(d, f)
	if len(d.errs) > 0 {
		return
	}
	l := &ldirectord{document: d, file: file}
	l.director()
	for _, s := range file.virtuals {
		l.virtual(s)
	}
	l.mail()
}

type ldirectord struct {
	*document
	file *ldirectordFile
}

// untold tells of the words that are not carried over.
func (l *ldirectord) untold(all directives, t *table) {
	for _, x := range all.sorted() {
		if tell := ldirectordWords[x.word].tell; tell != "" {
			l.tell(x.pos, t, "%s: %s", x.word, tell)
		}
	}
}

func (l *ldirectord) director() {
	g := l.file.global
	pos := config.Position{}
	t := l.one(pos, "director")
	if x, ok := g.get("autoreload"); ok && x.value == "yes" {
		t.set(x.pos, "watch", true)
	}
	if x, ok := g.get("cleanstop"); ok && x.value == "no" {
		t.set(x.pos, "on_stop", "keep")
	} else {
		t.set(x.pos, "on_stop", "flush", "as ldirectord's cleanstop; better without: then clients do not notice a restart")
	}
	l.untold(g, t)
}

// either is a virtual's own word, or the global one.
func (l *ldirectord) either(s *stanza, word string) (directive, bool) {
	if x, ok := s.get(word); ok {
		return x, true
	}
	return l.file.global.get(word)
}

var (
	virtualAddr = patternOf(`^([0-9A-Za-z._+-]+):([0-9A-Za-z_-]+)$`)
	virtualMark = patternOf(`^([0-9]+)$`)
	virtualSix  = patternOf(`^\[([0-9A-Fa-f:.]+)\]:([0-9A-Za-z_-]+)$`)
)

// ldVirtual is a virtual with what it takes from elsewhere.
type ldVirtual struct {
	*stanza
	*service
	vip      endpoint
	mark     string
	protocol string
}

func (l *ldirectord) virtual(s *stanza) {
	v := &ldVirtual{stanza: s, service: &service{method: "dr"}}
	if !l.address(v) {
		return
	}
	v.name = l.unique("virtual", s.or("servicename", v.usualName()))
	v.table = l.table(s.pos, "virtual", v.name)
	if x, ok := s.get("comment"); ok {
		v.notes = append(v.notes, x.value)
	}
	l.untold(s.directives, v.table)
	l.key(v)
	l.scheduling(v)
	l.quiescent(v)
	for _, x := range s.lines {
		v.reals = append(v.reals, l.real(v, x)...)
	}
	l.fallback(v)
	l.build(v.service)
	l.fallbackCommand(v)
}

// address reads the value of virtual.
func (l *ldirectord) address(v *ldVirtual) bool {
	text := v.directive.value
	if m := virtualMark().FindStringSubmatch(text); m != nil {
		v.mark, v.protocol = m[1], "fwm"
	} else if m := virtualSix().FindStringSubmatch(text); m != nil && v.six {
		v.vip = endpoint{m[1], m[2]}
	} else if m := virtualAddr().FindStringSubmatch(text); m != nil {
		v.vip = endpoint{m[1], m[2]}
	} else {
		l.fail(v.at, `ADDRESS:PORT, or the number of a firewall mark; "[IPV6]:PORT" in virtual6`, "virtual = %q", text)
		return false
	}
	if v.mark == "" {
		v.vips = []endpoint{v.vip}
		v.protocol = "tcp"
		if samePort(v.vip.port, "53") {
			v.protocol = "udp"
		}
	}
	x, given := v.get("protocol")
	if given && (x.value == "fwm") != (v.mark != "") {
		l.fail(x.at, "fwm for a firewall mark, and else tcp or udp", "protocol = %s", x.value)
		return false
	}
	v.protocol = v.or("protocol", v.protocol)
	return true
}

func (v *ldVirtual) usualName() string {
	if v.mark != "" {
		return "mark-" + v.mark
	}
	return serviceName(v.protocol, v.vip.port)
}

func (l *ldirectord) key(v *ldVirtual) {
	if v.mark != "" {
		n, err := strconv.ParseInt(v.mark, 10, 64)
		if err != nil {
			l.fail(v.at, "a number from 1 to 4294967295", "the firewall mark %s is too large", v.mark)
		}
		v.set(v.at, "fwmark", int(n))
		if v.six {
			v.set(v.directive.pos, "family", "ipv6")
		}
		return
	}
	v.set(v.at, "vip", v.vip.String())
	if v.protocol != "tcp" {
		v.set(v.stanza.directives["protocol"].pos, "protocol", v.protocol)
	}
}

// scheduling writes out ldirectord's default scheduler, which is not lvsd's.
func (l *ldirectord) scheduling(v *ldVirtual) {
	x, _ := v.get("scheduler")
	v.set(x.pos, "scheduler", v.or("scheduler", "wrr"))
	if x, ok := v.get("schedflags"); ok {
		v.set(x.at, "scheduler_flags", strings.Split(x.value, ","))
	}
	l.persistence(v)
	if x, ok := v.get("ops"); ok && x.value == "yes" {
		if v.protocol == "udp" {
			v.set(x.pos, "one_packet", true)
		} else {
			l.tell(x.pos, v.table, "ops: only for udp; ldirectord does not do it here either")
		}
	}
}

func (l *ldirectord) persistence(v *ldVirtual) {
	mask, masked := v.get("netmask")
	x, ok := v.get("persistent")
	if !ok {
		if masked {
			l.tell(mask.pos, v.table, "netmask: has no effect without persistent")
		}
		return
	}
	timeout, _ := seconds(x.value)
	v.persistent = true
	if !masked {
		v.set(x.pos, "persistence", timeout)
		return
	}
	v.set(x.pos, "persistence", inline{{key: "timeout", value: timeout}, {key: "netmask", value: netmask(mask.value)}})
}

// netmask is a mask as lvsd has it: a prefix length if it is one.
func netmask(text string) any {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return text
	}
	bytes := a.As4()
	mask := binary.BigEndian.Uint32(bytes[:])
	if ones := bits.LeadingZeros32(^mask); bits.OnesCount32(mask) == ones {
		return ones
	}
	return text
}

func (l *ldirectord) quiescent(v *ldVirtual) {
	if x, ok := l.either(v.stanza, "quiescent"); ok {
		v.set(x.pos, "quiescent", x.value == "yes")
	} else {
		v.set(v.directive.pos, "quiescent", false, "what ldirectord does if left out, whatever its manual says; true keeps connections")
	}
	if x, ok := v.get("cleanstop"); ok && x.value != l.file.global.or("cleanstop", "yes") {
		l.tell(x.pos, v.table, "cleanstop: on_stop of [director] is for all services")
	}
}

const host = `\d+\.\d+\.\d+\.\d+|[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]`

var (
	realLine   = patternOf(`^(` + host + `)(?:->(` + host + `))?(?::([0-9A-Za-z_-]+))?\s+(gate|masq|ipip)\b(.*)$`)
	realWeight = patternOf(`^\s+(\d{1,9})(?:(\s.*)|)$`)
	realPair   = patternOf(`^\s+"(.*)"[, ]\s*"(.*)"(.*)$`)
	realLimit  = patternOf(`^\s+([lu]):(\d{1,9})(.*)$`)
)

const realForm = `ADDRESS[->ADDRESS][:PORT] gate|masq|ipip [WEIGHT] ["REQUEST", "RECEIVE"] [l:NUMBER] [u:NUMBER]`

// methods are ldirectord's ways of forwarding.
var methods = map[string]string{"gate": "dr", "masq": "nat", "ipip": "tun"}

// ldReal is the value of real.
type ldReal struct {
	directive
	first, last, port, method string
	weight                    int
	request, receive          string
	pair                      bool // request and receive are given
	keys                      []entry
}

// real reads a line of real, which may be a range of servers.
func (l *ldirectord) real(v *ldVirtual, x directive) []*server {
	m := realLine().FindStringSubmatch(x.value)
	if m == nil {
		l.fail(x.at, realForm, "%s = %q", x.word, x.value)
		return nil
	}
	r := &ldReal{directive: x, first: strings.Trim(m[1], "[]"), last: strings.Trim(m[2], "[]"), port: m[3], method: methods[m[4]], weight: 1}
	if rest := strings.TrimSpace(r.flags(m[5])); rest != "" {
		l.fail(x.at, realForm, "%q at the end of the real server", rest)
		return nil
	}
	var all []*server
	for _, h := range l.hosts(r) {
		s := &server{pos: x.pos, endpoint: endpoint{h, r.port}, method: r.method, keys: r.keys}
		s.checks = l.checks(v, r)
		all = append(all, s)
	}
	return all
}

// flags reads what follows the way of forwarding, and gives what is left.
func (r *ldReal) flags(rest string) string {
	if m := realWeight().FindStringSubmatch(rest); m != nil {
		r.weight, _ = strconv.Atoi(m[1])
		rest = m[2]
		if r.weight != 1 {
			r.keys = append(r.keys, entry{key: "weight", value: r.weight})
		}
	}
	if m := realPair().FindStringSubmatch(rest); m != nil {
		r.pair, r.request, r.receive, rest = true, m[1], m[2], m[3]
	}
	for m := realLimit().FindStringSubmatch(rest); m != nil; m = realLimit().FindStringSubmatch(rest) {
		n, _ := strconv.Atoi(m[2])
		r.keys = append(r.keys, entry{key: map[string]string{"l": "lower_threshold", "u": "upper_threshold"}[m[1]], value: n})
		rest = m[3]
	}
	return rest
}

// maxRange is how many servers a range may have.
const maxRange = 1024

// hosts are the addresses of a range, or the only one.
func (l *ldirectord) hosts(r *ldReal) []string {
	if r.last == "" {
		return []string{r.first}
	}
	from, err := netip.ParseAddr(r.first)
	to, err2 := netip.ParseAddr(r.last)
	if err != nil || err2 != nil || !from.Is4() || !to.Is4() || to.Less(from) {
		l.fail(r.at, "two IPv4 addresses, the lower one first", "%s->%s is no range", r.first, r.last)
		return nil
	}
	all, ok := between(from, to, maxRange)
	if !ok {
		l.fail(r.at, fmt.Sprintf("at most %d", maxRange), "%s->%s has too many servers", from, to)
	}
	return all
}

// between are the addresses from one to another, both included, if they are not
// too many.
func between(from, to netip.Addr, most int) ([]string, bool) {
	var all []string
	for a := from; ; a = a.Next() {
		if len(all) == most || !a.IsValid() {
			return nil, false
		}
		all = append(all, a.String())
		if a == to {
			return all, true
		}
	}
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() {
		a := p.Addr().As16()
		for i := p.Bits(); i < 128; i++ {
			a[i/8] |= 1 << (7 - i%8)
		}
		return netip.AddrFrom16(a)
	}
	a := p.Addr().As4()
	n := binary.BigEndian.Uint32(a[:]) | uint32(1<<(32-p.Bits())-1)
	binary.BigEndian.PutUint32(a[:], n)
	return netip.AddrFrom4(a)
}

var fallbackLine = patternOf(`^(\[[0-9A-Fa-f:.]+\]|[^\s:]+)(?::([0-9A-Za-z_-]+))?(?:\s+(gate|masq|ipip))?$`)

// fallback reads the virtual's fallback, or the one of all.
func (l *ldirectord) fallback(v *ldVirtual) {
	x, ok := v.get("fallback")
	if !ok {
		word := map[bool]string{true: "fallback6", false: "fallback"}[v.six]
		if x, ok = l.file.global.get(word); !ok {
			return
		}
		if v.mark != "" {
			l.tell(x.pos, v.table, "%s: the global one is for addresses with ports; ldirectord has none for a firewall mark", word)
			return
		}
	}
	m := fallbackLine().FindStringSubmatch(x.value)
	if m == nil {
		l.fail(x.at, "ADDRESS[:PORT] [gate|masq|ipip]", "%s = %q", x.word, x.value)
		return
	}
	method := "dr"
	if m[3] != "" {
		method = methods[m[3]]
	}
	v.service.fallback = &server{pos: x.pos, endpoint: endpoint{strings.Trim(m[1], "[]"), m[2]}, method: method}
	if m[2] == "" && method == "nat" {
		v.service.fallback.port = v.vip.port
	}
}

// fallbackCommand runs a program as ldirectord does, by a shell: with start when no
// server is left and with stop when there is one again.
func (l *ldirectord) fallbackCommand(v *ldVirtual) {
	x, ok := l.either(v.stanza, "fallbackcommand")
	if !ok {
		return
	}
	server := v.vip.String()
	if v.mark != "" {
		server = v.mark + ":0"
	}
	run := func(word string) string {
		return x.value + " " + shellWords(word, server, v.protocol)
	}
	script := fmt.Sprintf(`test "$LVSD_VIRTUAL" = %s || exit 0; case "$LVSD_KIND" in service-down) %s;; service-up) %s;; esac`,
		shellWords(v.name), run("start"), run("stop"))
	t := l.table(x.pos, "notify", l.unique("notify", v.name+"-fallback"))
	t.set(x.pos, "type", "exec")
	t.set(x.pos, "command", []string{"/bin/sh", "-c", script})
	t.set(x.pos, "on", []string{"service-down", "service-up"})
}

// mail makes one receiver of all addresses that are told.
func (l *ldirectord) mail() {
	g := l.file.global
	if x, ok := g.get("emailalertfrom"); ok && len(l.recipients()) == 0 {
		l.tell(x.pos, nil, "emailalertfrom: there is no emailalert, so that nobody is told")
	}
	all := l.recipients()
	if len(all) == 0 {
		return
	}
	t := l.table(all[0].pos, "notify", l.unique("notify", "mail"))
	t.set(all[0].pos, "type", "email")
	to := list{}
	seen := map[string]bool{}
	for _, x := range all {
		for address := range strings.SplitSeq(x.value, ",") {
			if address = strings.TrimSpace(address); address != "" && !seen[address] {
				seen[address] = true
				to = append(to, address)
			}
		}
		if x != g["emailalert"] {
			l.tell(x.pos, t, "emailalert: of one service; lvsd tells a receiver of all services")
		}
	}
	t.set(all[0].at, "to", single(to))
	if x, ok := g.get("emailalertfrom"); ok {
		address := x.value
		if i := strings.LastIndex(address, "<"); i >= 0 {
			address = strings.TrimSuffix(address[i+1:], ">")
		}
		t.set(x.at, "from", address)
	}
	l.mailServer(t)
	l.mailEvents(t)
}

// recipients are the directives that say who is told.
func (l *ldirectord) recipients() []directive {
	var all []directive
	status := l.file.global.or("emailalertstatus", "all")
	if x, ok := l.file.global.get("emailalert"); ok && status != "none" {
		all = append(all, x)
	}
	for _, v := range l.file.virtuals {
		if x, ok := v.get("emailalert"); ok && v.or("emailalertstatus", status) != "none" {
			all = append(all, x)
		}
	}
	return all
}

func (l *ldirectord) mailServer(t *table) {
	x, ok := l.file.global.get("smtp")
	for _, v := range l.file.virtuals {
		own, given := v.get("smtp")
		switch {
		case given && !ok:
			x, ok = own, true
		case given && own.value != x.value:
			l.tell(own.pos, t, "smtp: of one service; the receiver has the server %s", x.value)
		}
	}
	if !ok {
		x = directive{pos: t.pos, value: "127.0.0.1"}
		l.tell(t.pos, t, "smtp: not given; ldirectord uses the host's own sendmail, lvsd a server: the one on this host")
	}
	t.set(x.pos, "server", x.value)
	t.set(x.pos, "tls", "none")
}

func (l *ldirectord) mailEvents(t *table) {
	t.set(t.pos, "on", []string{"server-down", "server-up"})
	x, _ := l.file.global.get("emailalertfreq")
	repeat, _ := seconds(l.file.global.or("emailalertfreq", "0"))
	if repeat > 0 && repeat < 10*time.Second {
		repeat = 10 * time.Second
		l.tell(x.pos, t, "emailalertfreq: 10 seconds are the least")
	}
	t.set(x.pos, "repeat", repeat)
	if x, ok := l.file.global.get("emailalertstatus"); ok && x.value != "all" && x.value != "none" {
		l.tell(x.pos, t, "emailalertstatus: lvsd tells of the same whatever it is doing")
	}
	for _, v := range l.file.virtuals {
		for _, word := range []string{"emailalertfreq", "emailalertstatus"} {
			if x, ok := v.get(word); ok && x.value != l.file.global.or(word, "") {
				l.tell(x.pos, t, "%s: of one service; the receiver has one for all", word)
			}
		}
	}
}
