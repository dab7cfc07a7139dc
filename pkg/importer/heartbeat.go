package importer

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
)

// Heartbeat reads ha.cf and haresources, and by read what they name: an
// ldirectord.cf. The result is for the node that haresources names first.
func Heartbeat(ha, resources File, read func(name string) (File, error)) (*Result, error) {
	d := &document{}
	h := &heartbeat{document: d, read: read, file: config.Position{File: ha.Name}}
	if d.text(ha) && d.text(resources) {
		h.ha(parseHA(ha))
		h.resources(resources, parseResources(resources))
	}
	d.head = slices.Insert(d.head, 0, fmt.Sprintf("Made by lvsd import heartbeat of %s and %s for the node %s. See docs/coming-from.md for what is different "+
		"afterwards: the other node's file is the same, but for its priorities.", ha.Name, resources.Name, h.first))
	return d.finish()
}

// heartbeat is a pair while it is translated.
type heartbeat struct {
	*document
	read  func(name string) (File, error)
	file  config.Position
	words map[string][]haLine // of ha.cf
	links []haLink
	first string // the node that haresources names first
}

// haLink is an interface over which heartbeats go.
type haLink struct {
	pos       config.Position
	device    string
	addresses list // of ucast
}

// haWords are those of ha.cf.
var haWords = lex(
	carried("node", "keepalive", "deadtime", "warntime", "initdead", "bcast", "mcast", "ucast", "auto_failback", "ping", "ping_group", "respawn"),
	told("lvsd has no serial lines: use a second network", "serial", "baud"),
	told("VRRP is a protocol of its own, 112", "udpport"),
	told("systemd starts programs; role = \"external\" is for Pacemaker", "apiauth", "crm", "pacemaker", "crm_respawn"),
	told("a director that died forwards nothing, and one that lost its VIPs is no danger to data", "stonith", "stonith_host"),
	told("WatchdogSec= in the unit", "watchdog"),
	told(byUnit, "realtime", "rtprio", "coredumps", "coreroot", "memreserve", "uid", "gid"),
	told("lvsd writes to standard error, the journal under systemd; --log-level debug", "logfile", "debugfile", "logfacility", "use_logd", "debug", "traditional_compression",
		"conn_logd_time", "syslogmsgfmt"),
	told(byItself, "hopfudge", "deadping", "hbgenmethod", "msgfmt", "compression", "compression_threshold", "autojoin", "cluster", "release2mode", "max_rexmit_delay",
		"hbversion", "uuidfrom", "quorum_server", "nice_failback", "hostname"),
)

func (h *heartbeat) ha(lines []haLine) {
	h.words = map[string][]haLine{}
	for _, l := range lines {
		word := l[0].text
		h.words[word] = append(h.words[word], l)
		why, known := haWords[word]
		switch {
		case !known:
			h.tell(l[0].pos, nil, "%s: heartbeat has no such word%s", word, config.DidYouMean(word, slices.Sorted(maps.Keys(haWords))))
		case why != "":
			h.tell(l[0].pos, nil, "%s: %s", word, why)
		}
		switch word {
		case "bcast":
			for _, t := range l[1:] {
				h.link(t)
			}
		case "mcast":
			if len(l) > 1 {
				h.link(l[1])
			}
		case "ucast":
			if len(l) > 2 {
				h.link(l[1]).addresses = append(h.link(l[1]).addresses, l.arg(2))
			}
		}
	}
}

// link is that of an interface.
func (h *heartbeat) link(t token) *haLink {
	for i := range h.links {
		if h.links[i].device == t.text {
			return &h.links[i]
		}
	}
	h.links = append(h.links, haLink{pos: t.pos, device: t.text})
	return &h.links[len(h.links)-1]
}

// resources makes an instance of each line, which moves as a whole.
func (h *heartbeat) resources(f File, groups []group) {
	if len(groups) == 0 {
		h.fail(config.Position{File: f.Name}, "NODE RESOURCE …", "haresources has no resources")
		return
	}
	h.first = groups[0].node.text
	for i, g := range groups {
		h.instance(g, i)
	}
}

func (h *heartbeat) instance(g group, i int) {
	name := h.unique("vrrp", "front")
	t := h.table(g.node.pos, "vrrp", name)
	vips, device := h.vips(g, t)
	if device == "" && len(h.links) > 0 {
		device = h.links[0].device
	}
	if device == "" {
		device = "eth0"
		h.tell(g.node.pos, t, "%s: no interface is named; eth0 is a guess", g.node.text)
	}
	t.set(g.node.pos, "interface", device)
	t.set(g.node.pos, "id", 51+i, "any number that no other virtual router of the network has; the same on both")
	if g.node.text == h.first {
		t.set(g.node.pos, "priority", 150, h.first+"; 100 on the other node")
	} else {
		t.set(g.node.pos, "priority", 100, h.first+"; 150 on "+g.node.text)
	}
	h.times(t)
	h.failback(t)
	all := list{}
	for _, v := range vips {
		if v.device == device {
			all = append(all, v.address)
			continue
		}
		all = append(all, inline{{key: "address", value: v.address}, {key: "interface", value: v.device}})
	}
	if len(all) > 0 {
		t.set(g.node.pos, "vips", single(all))
	}
	h.otherLinks(t, device)
	h.gateways(name)
	for _, r := range g.resources {
		h.resource(r, t, name)
	}
}

type haVIP struct{ address, device string }

// vips reads ADDRESS[/PREFIX[/INTERFACE[:LABEL][/BROADCAST]]]. Without an interface
// it is that of the heartbeats.
func (h *heartbeat) vips(g group, t *table) (all []haVIP, device string) {
	for _, r := range g.resources {
		if r.name != "IPaddr" && r.name != "IPaddr2" {
			continue
		}
		parts := strings.Split(r.arg(0), "/")
		v := haVIP{address: parts[0]}
		bits := "32"
		if a, err := netip.ParseAddr(parts[0]); err == nil && a.Is6() {
			bits = "128"
		}
		for _, p := range parts[1:] {
			switch {
			case p != "" && strings.Trim(p, "0123456789") == "":
				bits = p
			case strings.Trim(p, "0123456789.") == "":
				h.tell(r.pos, t, "%s: the broadcast address %s is left out", r.name, p)
			default:
				v.device, _, _ = strings.Cut(p, ":")
			}
		}
		v.address += "/" + bits
		if device == "" {
			device = v.device
		}
		all = append(all, v)
	}
	if device == "" && len(h.links) > 0 {
		device = h.links[0].device
	}
	for i := range all {
		if all[i].device == "" {
			all[i].device = device
		}
	}
	return all, device
}

// haDefaults are heartbeat's own times (hb_config.c).
var haDefaults = map[string]time.Duration{"keepalive": 2 * time.Second, "deadtime": 30 * time.Second}

func (h *heartbeat) time(word string) (time.Duration, config.Position, bool) {
	lines := h.words[word]
	if len(lines) == 0 {
		d, ok := haDefaults[word]
		return d, h.file, ok
	}
	l := lines[len(lines)-1]
	d, ok := haTime(l.arg(1))
	if !ok {
		h.fail(l[0].pos, "seconds, or milliseconds with ms", "%s %q", word, l.arg(1))
	}
	return d, l[0].pos, ok
}

func (h *heartbeat) times(t *table) {
	interval, pos, _ := h.time("keepalive")
	interval = interval.Round(10 * time.Millisecond)
	t.set(pos, "interval", interval, "keepalive; three of these and a bit are what deadtime was")
	if dead, pos, ok := h.time("deadtime"); ok && (dead < 3*interval || dead > 4*interval) {
		h.tell(pos, t, "deadtime: three intervals and a bit, which is %s and not %s; choose the interval by that", short(3*interval), short(dead))
	}
	if warn, pos, ok := h.time("warntime"); ok {
		if warn < 3*interval {
			t.set(pos, "warn_time", warn)
		} else {
			h.tell(pos, t, "warntime: %s is longer than three intervals, after which the silence is a death", short(warn))
		}
	}
	if dead, pos, ok := h.time("initdead"); ok && dead > 0 {
		t.set(pos, "initial_dead_time", dead)
	}
}

func (h *heartbeat) failback(t *table) {
	for _, l := range h.words["auto_failback"] {
		switch strings.ToLower(l.arg(1)) {
		case "off", "no", "false", "n", "0":
			t.set(l[0].pos, "preempt", false)
		default:
			t.set(l[0].pos, "preempt", true)
		}
	}
}

// otherLinks are the other ways that heartbeats go, and peers where they are not
// heard by all.
func (h *heartbeat) otherLinks(t *table, device string) {
	links := list{}
	for _, l := range h.links {
		switch {
		case l.device == device && len(l.addresses) > 0:
			t.set(l.pos, "peers", single(l.addresses))
			h.tell(l.pos, t, "ucast: take the node's own address out of the peers, on either node")
		case l.device == device:
		case len(l.addresses) > 0:
			links = append(links, inline{{key: "interface", value: l.device}, {key: "peers", value: single(l.addresses)}})
			h.tell(l.pos, t, "ucast: take the node's own address out of the peers, on either node")
		default:
			links = append(links, l.device)
		}
	}
	if len(links) > 0 {
		t.set(t.pos, "links", single(links))
	}
}

// gateways are what ipfail looked at.
func (h *heartbeat) gateways(name string) {
	ipfail := false
	for _, l := range h.words["respawn"] {
		if path.Base(l.arg(2)) == "ipfail" {
			ipfail = true
			continue
		}
		h.tell(l[0].pos, nil, "respawn: systemd starts programs")
	}
	used := names{}
	for _, word := range []string{"ping", "ping_group"} {
		for _, l := range h.words[word] {
			if !ipfail {
				h.tell(l[0].pos, nil, "%s: nothing acts on it without ipfail; [vrrp.NAME.track] with gateway would", word)
				continue
			}
			hosts := l[1:]
			if word == "ping_group" && len(l) > 1 {
				hosts = l[2:]
				h.tell(l[0].pos, nil, "ping_group: lvsd wants each of them to answer, not one")
			}
			for _, x := range hosts {
				t := h.table(x.pos, "vrrp", name, "track", used.unique("track", "gateway"))
				t.set(x.pos, "gateway", x.text)
				t.set(x.pos, "weight", -100, "as ipfail: the other director takes over if it still has the gateway")
			}
		}
	}
}

// resource is anything but an address.
func (h *heartbeat) resource(r resource, t *table, instance string) {
	switch r.name {
	case "IPaddr", "IPaddr2":
	case "ldirectord":
		h.services(r)
	case "LVSSyncDaemonSwap":
		s := h.one(r.pos, "sync")
		device := ""
		if len(h.links) > 0 {
			device = h.links[len(h.links)-1].device
		}
		s.set(r.pos, "interface", device, "the last one that heartbeats went over: make it the network that the directors have to themselves")
	case "SendArp":
		h.tell(r.pos, t, "SendArp: lvsd tells the neighbours several times at each change, and again each announce_refresh")
	case "MailTo":
		h.mailTo(r, t)
	default:
		h.tell(r.pos, t, "%s: lvsd starts no services; a unit of systemd does on both directors, with [vrrp.%s.track] process = \"NAME\" to follow it, or a program of "+
			"[notify.NAME] with on = \"role-changed\"", r.name, instance)
	}
}

// services are those of ldirectord, which is on both directors afterwards.
func (h *heartbeat) services(r resource) {
	name := r.arg(0)
	if name == "" {
		name = "ldirectord.cf"
	}
	f, err := h.read(name)
	if err != nil {
		h.fail(r.pos, "a file that can be read", "ldirectord::%s: %v", name, err)
		return
	}
	h.ldirectord(f)
}

func (h *heartbeat) mailTo(r resource, t *table) {
	if r.arg(0) == "" {
		h.tell(r.pos, t, "MailTo: names nobody")
		return
	}
	m := h.table(r.pos, "notify", h.unique("notify", "mail"))
	m.set(r.pos, "type", "email")
	m.set(r.pos, "to", single(anyList(strings.FieldsFunc(r.arg(0), func(c rune) bool { return c == ',' || c == ' ' }))))
	m.set(r.pos, "server", "127.0.0.1")
	m.set(r.pos, "tls", "none")
	m.set(r.pos, "on", "role-changed")
	m.set(r.pos, "repeat", time.Duration(0))
	h.tell(r.pos, m, "MailTo: heartbeat uses the host's own mail program, lvsd a server: the one on this host")
}

func anyList(words []string) list {
	all := make(list, len(words))
	for i, w := range words {
		all[i] = w
	}
	return all
}
