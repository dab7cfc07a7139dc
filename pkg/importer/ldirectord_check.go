package importer

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ldirectord's defaults in seconds (set_defaults, ldirectord 4.11).
const (
	ldCheckTimeout     = 5
	ldNegotiateTimeout = 30
	ldCheckInterval    = 10
)

// checks are those of a real server, as ldirectord's _check_real goes about it.
func (l *ldirectord) checks(v *ldVirtual, r *ldReal) []check {
	x, _ := v.get("checktype")
	if x.word == "" {
		x.pos = v.directive.pos
	}
	kind := v.or("checktype", "negotiate")
	switch kind {
	case "on", "off":
		return []check{{x.pos, []entry{{key: "type", value: kind, pos: x.pos}}}}
	case "connect":
		return []check{l.timed(v, l.connect(v), "check")}
	case "ping":
		return []check{l.timed(v, check{x.pos, []entry{{key: "type", value: "icmp", pos: x.pos}}}, "check")}
	case "external", "external-perl":
		return []check{l.timed(v, l.external(v, r, kind), "check")}
	case "negotiate":
		return []check{l.timed(v, l.negotiate(v, r), "negotiate")}
	}
	return l.combined(v, r, x)
}

// combined is a number of connections and then one negotiation.
func (l *ldirectord) combined(v *ldVirtual, r *ldReal, x directive) []check {
	n, _ := strconv.Atoi(x.value)
	slow := l.timed(v, l.negotiate(v, r), "negotiate")
	if n == 0 || slow.kind() == value("on") {
		return []check{slow}
	}
	every := time.Duration(n+1) * l.interval(v)
	slow.set(x.pos, "interval", every)
	slow.set(x.pos, "fast_interval", l.interval(v))
	fast := l.timed(v, check{x.pos, []entry{{key: "type", value: "tcp", pos: x.pos}}}, "check")
	if slow.kind() == fast.kind() {
		return []check{slow}
	}
	return []check{fast, slow}
}

// connect is the check that only connects. It is a ping for udp.
func (l *ldirectord) connect(v *ldVirtual) check {
	x, _ := v.get("checktype")
	c := check{pos: x.pos}
	if v.protocol == "udp" {
		c.set(x.pos, "type", "icmp", `as ldirectord does for udp; type = "udp" asks the service itself`)
		return c
	}
	c.set(x.pos, "type", "tcp")
	return l.port(v, c)
}

// external runs a program with the four arguments that ldirectord gives.
func (l *ldirectord) external(v *ldVirtual, r *ldReal, kind string) check {
	x, given := v.get("checkcommand")
	if !given {
		x = directive{pos: v.directive.pos, value: "/bin/true"}
	}
	words := []string{x.value}
	switch {
	case kind == "external-perl":
		words = []string{"/usr/bin/perl", x.value}
		l.tell(x.pos, v.table, "external-perl: the script is run by a perl of its own each time")
	case !strings.HasPrefix(x.value, "/"):
		words = []string{"/usr/bin/env", x.value}
	}
	address := "{address}"
	if strings.Contains(r.first, ":") {
		address = "[{address}]"
	}
	port := "{port}"
	if r.port == "" {
		port = "0"
	} else if v.mark != "" {
		port = r.port // a mark has none, and a server's would have no effect
	}
	target := []string{"{vip}", "{vip_port}", address, port}
	switch {
	case v.mark != "":
		target[0], target[1] = v.mark, "0"
	case v.six:
		target[0] = "[{vip}]"
	}
	c := check{pos: x.pos}
	c.set(x.pos, "type", "exec")
	c.set(x.at, "command", append(words, target...))
	return c
}

// port writes the port that is asked, if it is another.
func (l *ldirectord) port(v *ldVirtual, c check) check {
	if x, ok := v.get("checkport"); ok {
		c.set(x.at, "port", portValue(x.value))
	}
	return c
}

func (l *ldirectord) interval(v *ldVirtual) time.Duration {
	text := l.file.global.or("checkinterval", strconv.Itoa(ldCheckInterval))
	if l.file.global.or("fork", "no") == "yes" {
		text = v.or("checkinterval", text)
	}
	d, _ := seconds(text)
	return d
}

// timeout is the deadline of checks or of negotiations, each of which is the
// other's default.
func (l *ldirectord) timeout(v *ldVirtual, kind string) (directive, time.Duration) {
	words, otherwise := []string{"checktimeout", "negotiatetimeout"}, ldCheckTimeout
	if kind == "negotiate" {
		words, otherwise = []string{"negotiatetimeout", "checktimeout"}, ldNegotiateTimeout
	}
	for _, from := range []directives{v.directives, l.file.global} {
		for _, w := range words {
			if x, ok := from.get(w); ok {
				d, _ := seconds(x.value)
				return x, d
			}
		}
	}
	return directive{pos: v.directive.pos}, time.Duration(otherwise) * time.Second
}

// timed adds the times and counts: one success brings a server up, failurecount
// failures take it down.
func (l *ldirectord) timed(v *ldVirtual, c check, kind string) check {
	if t := c.kind(); t == value("on") || t == value("off") {
		return c
	}
	if x, ok := v.get("checkinterval"); ok && l.file.global.or("fork", "no") != "yes" {
		l.once(x, v, "checkinterval: ldirectord ignores that of one service without fork = yes; the global one is taken")
	}
	x, timeout := l.timeout(v, kind)
	interval := l.interval(v)
	c.set(l.file.global["checkinterval"].pos, "interval", interval)
	if interval < time.Second {
		c.set(x.pos, "fast_interval", interval)
	}
	c.set(x.pos, "timeout", timeout)
	count, _ := l.either(v.stanza, "failurecount")
	fall, _ := strconv.Atoi(count.value)
	fall = max(fall, 1)
	if x, ok := l.either(v.stanza, "checkcount"); ok {
		n, _ := strconv.Atoi(x.value)
		if c.kind() == value("icmp") {
			fall *= n
		} else {
			l.once(x, v, "checkcount: ldirectord uses it for pings only; failurecount is what counts")
		}
	}
	c.set(c.pos, "rise", 1)
	c.set(count.pos, "fall", fall, fallNote(fall))
	return c
}

func fallNote(fall int) string {
	if fall > 1 {
		return ""
	}
	return "as before; left out, both are 2: one lost packet takes no server down"
}

// once tells of a word once for a service, whose servers may be many.
func (l *ldirectord) once(x directive, v *ldVirtual, format string, args ...any) {
	text := l.remarks
	for _, r := range text {
		if r.Position == x.pos && strings.HasPrefix(r.Text, x.word+":") {
			return
		}
	}
	l.tell(x.pos, v.table, format, args...)
}

// negotiate is the check of a protocol.
func (l *ldirectord) negotiate(v *ldVirtual, r *ldReal) check {
	x, given := v.get("service")
	if !given {
		x = directive{pos: v.directive.pos, word: "service", value: ldServiceOf(v)}
	}
	n := &negotiation{ldirectord: l, v: v, r: r, x: x, c: check{pos: x.pos}}
	n.request, n.receive = v.or("request", "/"), v.or("receive", "")
	if r.pair {
		n.request, n.receive = r.request, r.receive
	}
	n.protocol()
	n.unused()
	return l.portOf(n)
}

// portOf adds the port that a negotiation asks, unless nothing is asked.
func (l *ldirectord) portOf(n *negotiation) check {
	if n.c.kind() == value("on") {
		return n.c
	}
	c := l.port(n.v, n.c)
	if port := ldPorts[n.x.value]; n.r.port == "" && !c.has("port") && port != 0 && (n.v.mark != "" || n.v.vip.port == "0") {
		c.set(c.pos, "port", port)
	}
	return c
}

// ldPorts are the ports of ldirectord's services (ld_service_to_port).
var ldPorts = map[string]int{
	"ftp": 21, "smtp": 25, "dns": 53, "http": 80, "pop": 110, "nntp": 119, "imap": 143, "ldap": 389, "https": 443, "submission": 587,
	"ldaps": 636, "imaps": 993, "pops": 995, "oracle": 1521, "radius": 1812, "http_proxy": 3128, "mysql": 3306, "sip": 5060, "pgsql": 5432,
}

// ldServiceOf is the service that a port stands for (ld_port_to_service).
func ldServiceOf(v *ldVirtual) string {
	n, ok := portNumber(v.vip.port)
	for name, port := range ldPorts {
		if ok && port == n && v.mark == "" {
			return name
		}
	}
	return "none"
}

// negotiation is a check of a protocol in the making.
type negotiation struct {
	*ldirectord
	v                *ldVirtual
	r                *ldReal
	x                directive // service
	c                check
	request, receive string
	used             map[string]bool // words that the check is made of
}

func (n *negotiation) set(key string, v any, note ...string) { n.c.set(n.x.pos, key, v, note...) }

// with notes that words are carried over.
func (n *negotiation) with(words ...string) {
	if n.used == nil {
		n.used = map[string]bool{}
	}
	for _, w := range words {
		n.used[w] = true
	}
}

// unused tells of the words that belong to another kind of check.
func (n *negotiation) unused() {
	for _, word := range []string{"request", "receive", "httpmethod", "virtualhost", "login", "passwd", "database", "secret"} {
		if x, ok := n.v.get(word); ok && !n.used[word] {
			n.once(x, n.v, "%s: is not part of the check of type %s", word, n.c.kind())
		}
	}
}

// greetings are what servers say first.
var greetings = map[string]string{"ftp": `^220`, "imap": `^\* OK`, "nntp": `^200`, "pop": `^\+OK`}

func (n *negotiation) protocol() {
	switch kind := n.x.value; kind {
	case "http", "https":
		n.http(kind)
	case "dns":
		n.dns()
	case "smtp", "submission":
		n.set("type", "smtp")
	case "mysql", "pgsql":
		n.set("type", map[string]string{"mysql": "mysql", "pgsql": "postgres"}[kind])
		n.sql()
	case "ftp", "imap", "nntp", "pop":
		n.set("type", "tcp")
		n.set("expect", greetings[kind])
		n.greeting()
	case "imaps", "pops":
		n.set("type", "tls")
		n.set("verify", false, unverified)
		n.once(n.x, n.v, "service: %s is a handshake by TLS now; an exec check can log in", kind)
	case "simpletcp":
		n.simple()
	case "sip":
		n.sip()
	case "none":
		n.set("type", "on", "ldirectord looks at nothing here, though it says negotiate; better: \"tcp\"")
	default: // http_proxy, ldap, ldaps, oracle, radius
		n.set("type", map[bool]string{true: "udp", false: "tcp"}[kind == "radius"])
		n.once(n.x, n.v, "service: lvsd does not speak %s, and only looks whether the port is open; an exec check with a monitoring plugin does", kind)
	}
}

const unverified = "as before; without this line the certificate is verified, which is better"

func (n *negotiation) http(kind string) {
	n.set("type", kind)
	path := "/" + strings.TrimPrefix(n.request, "/")
	if u, err := url.Parse(strings.TrimPrefix(n.request, "/")); err == nil && u.Scheme == kind && u.Host != "" && n.r.pair {
		path = u.RequestURI()
		n.set("address", u.Hostname())
		if u.Port() != "" {
			n.set("port", portValue(u.Port()))
		}
	}
	n.with("request", "receive", "httpmethod", "virtualhost")
	if path != "/" {
		n.set("path", path)
	}
	if x, ok := n.v.get("httpmethod"); ok && !strings.EqualFold(x.value, "GET") {
		n.c.set(x.at, "method", strings.ToUpper(x.value))
	}
	if x, ok := n.v.get("virtualhost"); ok {
		n.c.set(x.at, "host", x.value)
	}
	n.set("expect_status", "200-299")
	n.pattern("expect_body")
	n.set("follow_redirects", true)
	if kind == "https" {
		n.set("verify", false, unverified)
	}
}

// pattern writes receive as a regular expression, if Go understands it as Perl does.
func (n *negotiation) pattern(key string) {
	n.with("receive")
	if n.receive == "" {
		return
	}
	at := n.r.at
	if x, ok := n.v.get("receive"); ok && !n.r.pair {
		at = x.at
	}
	if _, err := regexp.Compile(n.receive); err != nil {
		n.once(directive{pos: at, word: "receive"}, n.v, "receive: lvsd cannot read the expression (%v); write it in the syntax of RE2", err)
		return
	}
	n.c.set(at, key, n.receive)
}

// greeting tells that nobody logs in.
func (n *negotiation) greeting() {
	for _, word := range []string{"login", "request"} {
		if x, ok := n.v.get(word); ok {
			n.with("login", "passwd", "request", "receive")
			n.once(x, n.v, "%s: the check reads the server's greeting and does not log in; an exec check can", word)
		}
	}
	if n.x.value == "ftp" && !n.used["login"] {
		n.once(n.x, n.v, "service: ftp is the server's greeting now, without a login; an exec check can log in")
	}
}

// sql tells that a login wants the password in a file.
func (n *negotiation) sql() {
	n.with("login", "passwd", "database", "request", "receive")
	x, ok := n.v.get("login")
	if !ok {
		x = n.x
		n.once(x, n.v, "service: the check reads the server's greeting")
		return
	}
	n.once(x, n.v, "login: the check reads the server's greeting; to log in write the password into a file of mode 0600 and add username = %s, "+
		"password_file and database; no query is made", quote(x.value))
}

func (n *negotiation) dns() {
	n.set("type", "dns")
	n.with("request", "receive")
	name := strings.TrimPrefix(n.request, "/")
	if name == "" {
		name = "."
	}
	if a, err := netip.ParseAddr(name); err == nil {
		n.set("query", reverse(a))
		n.set("record", "PTR")
	} else {
		n.set("query", name)
	}
	if n.v.protocol == "tcp" {
		n.set("protocol", "tcp")
	}
	answer := strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(n.receive, `\.`, "."), "^"), "$")
	switch {
	case answer == "":
		n.once(n.x, n.v, "service: dns without receive never succeeds in ldirectord; here each answer is good")
	case regexp.QuoteMeta(answer) == strings.ReplaceAll(answer, ".", `\.`):
		n.set("answer", answer)
	default:
		n.once(directive{pos: n.x.pos, word: "receive"}, n.v, "receive: an answer is no regular expression here; each answer is good")
	}
}

// reverse is the name under which an address is looked up.
func reverse(a netip.Addr) string {
	if a.Is4() {
		b := a.As4()
		return strconv.Itoa(int(b[3])) + "." + strconv.Itoa(int(b[2])) + "." + strconv.Itoa(int(b[1])) + "." + strconv.Itoa(int(b[0])) + ".in-addr.arpa"
	}
	const digits = "0123456789abcdef"
	b := a.As16()
	var name strings.Builder
	for i := len(b) - 1; i >= 0; i-- {
		name.WriteString(string(digits[b[i]&15]) + "." + string(digits[b[i]>>4]) + ".")
	}
	return name.String() + "ip6.arpa"
}

// simple sends the request and expects an answer.
func (n *negotiation) simple() {
	n.with("request")
	send := strings.ReplaceAll(strings.TrimPrefix(n.request, "/"), `\n`, "\n")
	kind, key := "tcp", "send"
	if n.v.protocol == "udp" {
		kind, key = "udp", "payload"
	}
	n.set("type", kind)
	if send != "" {
		n.set(key, send)
	}
	n.pattern("expect")
}

// sip asks for the options, as ldirectord does, but with an address of the
// director's that nobody needs to answer to: rport (RFC 3581).
func (n *negotiation) sip() {
	n.with("login", "passwd")
	login := n.v.or("login", "ldirectord@localhost")
	request := "OPTIONS sip:" + login + " SIP/2.0\r\n" +
		"Via: SIP/2.0/" + strings.ToUpper(strings.Replace(n.v.protocol, "fwm", "udp", 1)) + " localhost;rport;branch=z9hG4bKhjhs8ass877\r\n" +
		"Max-Forwards: 70\r\nTo: <sip:" + login + ">\r\nFrom: <sip:" + login + ">;tag=1928301774\r\n" +
		"Call-ID: lvsd\r\nCSeq: 63104 OPTIONS\r\nContact: <sip:" + login + ">\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n"
	if n.v.protocol == "tcp" {
		n.set("type", "tcp")
		n.set("send", request)
	} else {
		n.set("type", "udp")
		n.set("payload", request)
	}
	n.set("expect", `^SIP/2\.0 200 OK`)
}
