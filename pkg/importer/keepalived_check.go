package importer

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
)

// Defaults of keepalived's checks.
const (
	kaDelay   = 60 * time.Second
	kaConnect = 5 * time.Second
)

// checkers are the kinds of checks, in the order in which a server's are written.
var checkers = []string{"TCP_CHECK", "HTTP_GET", "SSL_GET", "SMTP_CHECK", "DNS_CHECK", "MISC_CHECK", "PING_CHECK", "UDP_CHECK"}

// kaCheck is a checker with what it takes from its server and service.
type kaCheck struct {
	*keepalived
	v      *kaService
	kind   string
	pos    config.Position
	own    props
	levels []props
}

func (c *kaCheck) get(word string) *node {
	for _, p := range c.levels {
		if n := p.get(word); n != nil {
			return n
		}
	}
	return nil
}

// checks are those of a real server.
func (k *keepalived) checks(v *kaService, server *node, p props) []check {
	var all []check
	for _, kind := range checkers {
		for _, n := range p[kind] {
			own := k.block(n.block, keepalivedChecks[kind], v.table)
			c := &kaCheck{keepalived: k, v: v, kind: kind, pos: n.pos, own: own, levels: []props{own, p, v.props}}
			all = append(all, c.translate()...)
		}
	}
	return all
}

func (c *kaCheck) translate() []check {
	switch c.kind {
	case "HTTP_GET", "SSL_GET":
		var all []check
		for _, url := range c.own["url"] {
			all = append(all, c.finish(c.http(url)))
		}
		if len(all) == 0 {
			c.tell(c.pos, c.v.table, "%s: has no url, so that keepalived checks nothing", c.kind)
		}
		return all
	case "SMTP_CHECK":
		return c.smtp()
	case "DNS_CHECK":
		return []check{c.finish(c.dns())}
	case "MISC_CHECK":
		return c.misc()
	case "UDP_CHECK":
		return []check{c.finish(c.udp())}
	}
	kind := map[string]string{"TCP_CHECK": "tcp", "PING_CHECK": "icmp"}[c.kind]
	return []check{c.finish(check{c.pos, []entry{{key: "type", value: kind, pos: c.pos}}})}
}

// finish adds where a check goes and when: one failure more than retry takes a
// server down, one success brings it up.
func (c *kaCheck) finish(x check) check {
	c.where(&x)
	interval, pos := c.duration("delay_loop", kaDelay)
	x.set(pos, "interval", interval, defaultNote(pos, "keepalived's default"))
	retry := map[string]int{"MISC_CHECK": 0, "DNS_CHECK": 3}
	fall, given := retry[c.kind]
	if !given {
		fall = 1
	}
	pos = c.pos
	for _, word := range []string{"retry", "nb_get_retry"} {
		if n := c.get(word); n != nil {
			if r, ok := c.number(n, 0); ok {
				fall, pos = r, n.at(0)
			}
			break
		}
	}
	fall++
	if fall > 1 || interval < time.Second {
		before := time.Second
		switch c.kind {
		case "HTTP_GET", "SSL_GET":
			before = 3 * time.Second
		case "DNS_CHECK":
			before = interval
		}
		d, at := c.duration("delay_before_retry", before)
		x.set(at, "fast_interval", max(min(d, interval), min(interval, 10*time.Millisecond)))
	}
	c.timeout(&x, interval)
	x.set(c.pos, "rise", 1)
	x.set(pos, "fall", fall)
	return x
}

func defaultNote(pos config.Position, note string) string {
	if pos.Line > 0 {
		return ""
	}
	return note
}

// duration is a time that a check, its server or its service says; the place is
// the zero one if none does.
func (c *kaCheck) duration(word string, otherwise time.Duration) (time.Duration, config.Position) {
	n := c.get(word)
	if n == nil {
		return otherwise, config.Position{}
	}
	d, ok := c.time(n, 0)
	if !ok {
		return otherwise, n.at(0)
	}
	return d, n.at(0)
}

func (c *kaCheck) timeout(x *check, interval time.Duration) {
	word, otherwise := "connect_timeout", kaConnect
	if c.kind == "MISC_CHECK" {
		word, otherwise = "misc_timeout", interval
	}
	d, pos := c.duration(word, otherwise)
	x.set(pos, "timeout", d)
}

// where is what the check asks, if it is not the real server itself.
func (c *kaCheck) where(x *check) {
	for _, key := range []struct{ theirs, ours string }{{"connect_ip", "address"}, {"bindto", "source"}} {
		if n := c.own.get(key.theirs); n != nil {
			x.set(n.at(0), key.ours, n.arg(0))
		}
	}
	if n := c.own.get("connect_port"); n != nil {
		x.set(n.at(0), "port", portValue(n.arg(0)))
	}
	if n := c.own.get("fwmark"); n != nil {
		if mark, ok := c.number(n, 0); ok {
			x.set(n.at(0), "mark", mark)
		}
	}
}

func (c *kaCheck) http(url *node) check {
	p := c.block(url.block, keepalivedURL, c.v.table)
	x := check{pos: url.pos}
	kind := map[string]string{"HTTP_GET": "http", "SSL_GET": "https"}[c.kind]
	x.set(c.pos, "type", kind)
	if n := p.get("path"); n != nil && n.arg(0) != "/" {
		x.set(n.at(0), "path", n.arg(0))
	}
	host := p.get("virtualhost")
	if host == nil {
		host = c.get("virtualhost")
	}
	if host != nil {
		x.set(host.at(0), "host", host.arg(0))
	}
	if n := p.get("status_code"); n != nil {
		codes := list{}
		for i, a := range n.words(0) {
			if code, err := strconv.Atoi(a); err == nil {
				codes = append(codes, code)
			} else {
				codes = append(codes, n.arg(i))
			}
		}
		x.set(n.at(0), "expect_status", single(codes))
	} else {
		x.set(url.pos, "expect_status", "200-299")
	}
	c.regex(&x, p)
	if kind == "https" {
		x.set(c.pos, "verify", false, unverified)
	}
	return x
}

// regexOptions are those of PCRE that Go has.
var regexOptions = map[string]string{"caseless": "i", "multiline": "m", "dotall": "s", "ungreedy": "U", "utf": "", "ucp": ""}

func (c *kaCheck) regex(x *check, p props) {
	n := p.get("regex")
	if n == nil || p.get("regex_no_match") != nil {
		return
	}
	flags := ""
	if o := p.get("regex_options"); o != nil {
		for _, word := range o.words(0) {
			f, ok := regexOptions[word]
			if !ok {
				c.tell(o.pos, c.v.table, "regex_options: %s is not among those of Go's expressions", word)
			}
			flags += f
		}
	}
	pattern := n.arg(0)
	if flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	if _, err := regexp.Compile(pattern); err != nil {
		c.tell(n.pos, c.v.table, "regex: lvsd cannot read the expression (%v); write it in the syntax of RE2", err)
		return
	}
	x.set(n.at(0), "expect_body", pattern)
}

// smtp has, in an old form, a check for each host block.
func (c *kaCheck) smtp() []check {
	x := check{pos: c.pos}
	x.set(c.pos, "type", "smtp")
	if n := c.own.get("helo_name"); n != nil {
		x.set(n.at(0), "helo", n.arg(0))
	}
	hosts := c.own["host"]
	if len(hosts) == 0 {
		return []check{c.finish(x)}
	}
	var all []check
	for _, h := range hosts {
		own := c.block(h.block, keepalivedCheck, c.v.table)
		inner := *c
		inner.own, inner.levels = own, append([]props{own}, c.levels...)
		copied := check{pos: h.pos, keys: append([]entry(nil), x.keys...)}
		all = append(all, inner.finish(copied))
	}
	return all
}

func (c *kaCheck) dns() check {
	x := check{pos: c.pos}
	x.set(c.pos, "type", "dns")
	name, record := ".", "SOA"
	if n := c.own.get("name"); n != nil {
		name = n.arg(0)
	}
	if n := c.own.get("type"); n != nil {
		record = n.arg(0)
	}
	x.set(c.pos, "query", name)
	x.set(c.pos, "record", record)
	return x
}

func (c *kaCheck) misc() []check {
	n := c.own.get("misc_path")
	if n == nil {
		c.tell(c.pos, c.v.table, "MISC_CHECK: has no misc_path, so that keepalived checks nothing")
		return nil
	}
	words := command(strings.Join(n.words(0), " "))
	if len(words) == 0 {
		c.fail(n.pos, "a program", "misc_path has no program")
		return nil
	}
	x := check{pos: c.pos}
	x.set(c.pos, "type", "exec")
	x.set(n.at(0), "command", words)
	if user := c.user(c.own.get("user"), 0); user != "" && user != "root" {
		x.set(n.pos, "user", user)
	}
	if d := c.own.get("misc_dynamic"); d != nil {
		x.set(d.pos, "dynamic_weight", true)
	}
	return []check{c.finish(x)}
}

func (c *kaCheck) udp() check {
	x := check{pos: c.pos}
	x.set(c.pos, "type", "udp")
	if n := c.own.get("payload"); n != nil {
		if digits, ok := c.hex(n, false); ok && digits != "" {
			x.set(n.at(0), "payload_hex", digits)
		}
	}
	n := c.own.get("require_reply")
	if n == nil {
		return x
	}
	if len(n.args) == 0 {
		x.set(n.pos, "expect", "(?s).*", "any answer, but one")
		return x
	}
	if digits, ok := c.hex(n, true); ok && digits != "" {
		x.set(n.at(0), "expect_hex", digits)
	}
	return x
}

// hex reads keepalived's hexadecimal: words of digits, of which an odd last one is a
// byte of its own. What follows a digit that may be anything is left out.
func (c *kaCheck) hex(n *node, any bool) (string, bool) {
	var b strings.Builder
	for i, w := range n.words(0) {
		if strings.Trim(w, "0123456789abcdefABCDEFxX") != "" {
			c.fail(n.at(i), "hexadecimal digits", "%s %q", n.text, w)
			return "", false
		}
		if len(w)%2 == 1 {
			w = w[:len(w)-1] + "0" + w[len(w)-1:]
		}
		if cut := strings.IndexAny(w, "xX"); cut >= 0 {
			if any {
				c.tell(n.at(i), c.v.table, "%s: lvsd compares the first bytes, up to the first digit that may be anything", n.text)
				b.WriteString(w[:cut/2*2])
				return b.String(), true
			}
			c.fail(n.at(i), "hexadecimal digits", "%s %q", n.text, w)
			return "", false
		}
		b.WriteString(w)
	}
	return strings.ToLower(b.String()), true
}
