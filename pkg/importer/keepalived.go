package importer

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
)

// Keepalived reads a keepalived.conf and what it includes.
func Keepalived(f File, include Include) (*Result, error) {
	d := &document{}
	d.head = []string{"Made by lvsd import keepalived of " + f.Name + ". See docs/coming-from.md for what is different afterwards: a new server waits for " +
		"its first success (alpha), and every check has one deadline."}
	nodes := parseKeepalived(d, f, include)
	if len(d.errs) == 0 {
		k := &keepalived{document: d, scripts: map[string]props{}, processes: map[string]props{}, files: map[string]props{},
			addresses: map[string]*node{}, instances: map[string]string{}}
		k.read(nodes)
	}
	return d.finish()
}

// keepalived is a keepalived.conf while it is translated: what its parts refer to.
type keepalived struct {
	*document
	global    props
	scripts   map[string]props // vrrp_script
	processes map[string]props // vrrp_track_process
	files     map[string]props // track_file
	addresses map[string]*node // virtual_server_group
	instances map[string]string
	groups    []*syncGroup
	mails     mails
}

// props are the statements of a block by their word.
type props map[string][]*node

// get is the last statement of a word, or nil.
func (p props) get(word string) *node {
	if all := p[word]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// block sorts the statements of a block, and tells of those that lvsd has not.
func (k *keepalived) block(all []*node, words lexicon, t *table) props {
	p := props{}
	for _, n := range all {
		p[n.text] = append(p[n.text], n)
		why, known := words[n.text]
		switch {
		case !known:
			k.tell(n.pos, t, "%s: keepalived has no such word here%s, and ignores it", n.text, config.DidYouMean(n.text, slices.Sorted(maps.Keys(words))))
		case why != "":
			k.tell(n.pos, t, "%s: %s", n.text, why)
		}
	}
	return p
}

// read translates a file: first what others refer to.
func (k *keepalived) read(nodes []*node) {
	top := k.block(nodes, keepalivedTop, nil)
	director := k.table(config.Position{}, "director")
	var global []*node
	for _, n := range top["global_defs"] {
		global = append(global, n.block...)
	}
	k.global = k.block(global, keepalivedGlobal, director)
	k.director(director, len(top["virtual_server"]) > 0)
	k.named(top["vrrp_script"], keepalivedScript, k.scripts)
	k.named(top["vrrp_track_process"], keepalivedProcess, k.processes)
	k.named(top["track_file"], keepalivedFile, k.files)
	k.named(top["vrrp_track_file"], keepalivedFile, k.files)
	for _, n := range top["virtual_server_group"] {
		k.addresses[n.arg(0)] = n
	}
	for _, n := range top["vrrp_instance"] {
		k.instances[n.arg(0)] = k.unique("vrrp", n.arg(0))
	}
	for _, n := range top["vrrp_sync_group"] {
		k.group(n)
	}
	for _, n := range top["vrrp_instance"] {
		k.instance(n)
	}
	k.syncDaemon(top["vrrp_instance"])
	k.timeouts()
	for _, n := range top["virtual_server"] {
		k.virtualServer(n)
	}
	k.mail()
	if len(director.entries) == 0 && len(director.notes) == 0 {
		k.tables = slices.DeleteFunc(k.tables, func(t *table) bool { return t == director })
	}
}

// named keeps blocks that others name.
func (k *keepalived) named(all []*node, words lexicon, into map[string]props) {
	for _, n := range all {
		into[n.arg(0)] = k.block(n.block, words, nil)
	}
}

func (k *keepalived) director(t *table, services bool) {
	if n := k.global.get("router_id"); n != nil && n.arg(0) != "" {
		t.set(n.at(0), "name", sanitize(n.arg(0)))
	}
	if services {
		t.set(t.pos, "on_stop", "flush", "as keepalived does; better without: then clients do not notice a restart")
	}
}

// timeouts are those of all connections.
func (k *keepalived) timeouts() {
	n := k.global.get("lvs_timeouts")
	if n == nil {
		return
	}
	t := k.table(n.pos, "timeouts")
	for i := 0; i+1 < len(n.args); i += 2 {
		switch word := n.arg(i); word {
		case "tcp", "tcpfin", "udp":
			if d, ok := k.time(n, i+1); ok && d > 0 {
				t.set(n.at(i+1), word, d)
			}
		default:
			k.fail(n.at(i), "tcp, tcpfin or udp", "lvs_timeouts %s", word)
		}
	}
}

// time reads an argument that is a time in seconds.
func (k *keepalived) time(n *node, i int) (time.Duration, bool) {
	d, ok := seconds(n.arg(i))
	if !ok {
		k.fail(n.at(i), "a time in seconds", "%s %q", n.text, n.arg(i))
	}
	return d, ok
}

// number reads an argument that is a whole number.
func (k *keepalived) number(n *node, i int) (int, bool) {
	v, err := strconv.ParseInt(n.arg(i), 10, 48)
	if err != nil {
		k.fail(n.at(i), "a whole number", "%s %q", n.text, n.arg(i))
	}
	return int(v), err == nil
}

// truth reads a switch: a word alone is on.
func (k *keepalived) truth(n *node) bool {
	if n == nil {
		return false
	}
	switch strings.ToLower(n.arg(0)) {
	case "", "on", "yes", "true":
		return true
	case "off", "no", "false":
		return false
	}
	k.fail(n.at(0), "on, off, true, false, yes or no", "%s %q", n.text, n.arg(0))
	return false
}

// mails is what people are told of.
type mails struct{ servers, services, roles bool }

// alert tells whether there is a mail of something: by its own smtp_alert, by the
// global ones, or else by a default.
func (k *keepalived) alert(p props, global string, otherwise bool) bool {
	for _, n := range []*node{p.get("smtp_alert"), k.global.get(global), k.global.get("smtp_alert")} {
		if n != nil {
			return k.truth(n)
		}
	}
	return otherwise
}

// mail makes the receiver of all that is told.
func (k *keepalived) mail() {
	to := list{}
	for _, n := range k.global["notification_email"] {
		for _, line := range n.block {
			for _, word := range append([]string{line.text}, line.words(0)...) {
				if !strings.Contains(word, "@") {
					k.tell(line.pos, nil, "notification_email: %s has no domain; it is told at this host's", word)
					word += "@localhost"
				}
				to = append(to, word)
			}
		}
	}
	n := k.global.get("notification_email")
	if len(to) == 0 {
		return
	}
	on := []string{}
	for _, e := range []struct {
		wanted bool
		kinds  []string
	}{{k.mails.servers, []string{"server-down", "server-up"}}, {k.mails.services, []string{"service-down", "service-up"}}, {k.mails.roles, []string{"role-changed"}}} {
		if e.wanted {
			on = append(on, e.kinds...)
		}
	}
	server := k.global.get("smtp_server")
	if len(on) == 0 || server == nil {
		k.tell(n.pos, nil, "notification_email: without smtp_server and something that smtp_alert is on for nobody is told anything, here as there")
		return
	}
	t := k.table(n.pos, "notify", k.unique("notify", "mail"))
	t.set(n.pos, "type", "email")
	t.set(n.pos, "to", single(to))
	if from := k.global.get("notification_email_from"); from != nil {
		t.set(from.at(0), "from", from.arg(0))
	}
	t.set(server.at(0), "server", endpoint{server.arg(0), server.arg(1)}.String())
	t.set(server.pos, "tls", "none", "as before; \"starttls\" is better")
	if n := k.global.get("smtp_connect_timeout"); n != nil {
		if d, ok := k.time(n, 0); ok {
			t.set(n.at(0), "timeout", d)
		}
	}
	t.set(n.pos, "on", on)
	t.set(n.pos, "repeat", time.Duration(0))
}

// hook is a program that is told of events: only of those about one thing, which
// a shell picks out, and without lvsd's own arguments.
type hook struct {
	name  string
	on    any
	when  string // a condition of the shell; "" for always
	extra string // further arguments, in shell's words
}

// hook adds a receiver for a script of the file: its line and the user that it
// runs as.
func (k *keepalived) hook(n *node, h hook) {
	words := command(n.arg(0))
	if words == nil {
		k.fail(n.pos, "a program", "%s has no program", n.text)
		return
	}
	t := k.table(n.pos, "notify", k.unique("notify", h.name))
	t.set(n.pos, "type", "exec")
	run := "exec " + shellWords(words...) + h.extra
	if h.when != "" {
		run = h.when + " && " + run + " || true"
	}
	t.set(n.at(0), "command", []string{"/bin/sh", "-c", run})
	t.set(n.pos, "on", h.on)
	if user := k.user(n, 1); user != "" {
		t.set(n.pos, "user", user)
	}
}

// user is the one that a script runs as, which may follow it; "" is the daemon's.
func (k *keepalived) user(n *node, i int) string {
	if n != nil && n.arg(i) != "" {
		return n.arg(i)
	}
	if u := k.global.get("script_user"); u != nil {
		return u.arg(0)
	}
	return ""
}
