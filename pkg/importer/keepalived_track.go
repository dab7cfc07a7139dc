package importer

import (
	"path"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
)

// tracked is what an instance depends on, and what its group does.
func (k *keepalived) tracked(v *vrrp) {
	lists := []props{v.props}
	if v.group != nil {
		lists = append(lists, v.group.props)
	}
	for _, p := range lists {
		for _, word := range []string{"track_interface", "track_script", "track_process", "track_file"} {
			for _, n := range p[word] {
				if n.open.Line == 0 { // track_file of one line
					continue
				}
				for _, line := range n.block {
					k.track(v, word, line)
				}
			}
		}
	}
}

// track adds one thing.
func (k *keepalived) track(v *vrrp, kind string, n *node) {
	name := v.names.unique("track", n.text)
	t := k.table(n.pos, "vrrp", v.name, "track", name)
	drop := func(format string, args ...any) {
		k.tables = k.tables[:len(k.tables)-1]
		k.tell(n.pos, v.table, format, args...)
	}
	defaults := props(nil)
	known := true
	switch kind {
	case "track_interface":
		t.set(n.pos, "link", n.text)
	case "track_script":
		defaults, known = k.scripts[n.text]
	case "track_process":
		defaults, known = k.processes[n.text]
	case "track_file":
		defaults, known = k.files[n.text]
	}
	if !known {
		drop("%s: there is no %s of that name; keepalived ignores it", n.text, kind)
		return
	}
	if !k.look(t, kind, n, defaults) {
		drop("%s: has nothing to look at", n.text)
		return
	}
	weight, pos, reverse := k.weight(n, defaults)
	if reverse {
		drop("%s: lvsd has no reverse; let a command say the opposite", n.text)
		return
	}
	switch {
	case kind == "track_file":
		if weight != 1 {
			k.tell(pos, v.table, "%s: lvsd adds the file's number as it is, without a weight of %d", n.text, weight)
		}
	case weight == 0:
	case v.group != nil && v.group.props.get("sync_group_tracking_weight") == nil:
		k.tell(pos, v.table, "weight: in a sync group keepalived takes it for 0, so that %s is a fault", n.text)
	default:
		t.set(pos, "weight", weight)
	}
}

// look says what is looked at, and how often.
func (k *keepalived) look(t *table, kind string, n *node, p props) bool {
	switch kind {
	case "track_script":
		s := p.get("script")
		if s == nil {
			return false
		}
		words := command(strings.Join(append([]string{s.arg(0)}, s.words(1)...), " "))
		if len(words) == 0 {
			return false
		}
		if program, ok := processOf(words); ok {
			t.set(s.at(0), "process", program)
		} else {
			t.set(s.at(0), "command", k.as(p.get("user"), words))
		}
	case "track_process":
		s := p.get("process")
		if s == nil || s.arg(0) == "" {
			return false
		}
		words, _ := split(s.arg(0))
		if len(words) == 0 {
			return false
		}
		t.set(s.at(0), "process", path.Base(words[0]))
	case "track_file":
		s := p.get("file")
		if s == nil {
			return false
		}
		t.set(s.at(0), "file", s.arg(0))
	}
	for _, word := range []string{"interval", "timeout"} {
		if n := p.get(word); n != nil {
			if d, ok := k.time(n, 0); ok && d > 0 {
				t.set(n.at(0), word, d)
			}
		}
	}
	for _, word := range []string{"rise", "fall"} {
		if n := p.get(word); n != nil {
			if c, ok := k.number(n, 0); ok && c != 1 {
				t.set(n.at(0), word, max(c, 1))
			}
		}
	}
	return true
}

// as runs a program as a user. lvsd's tracks run as the daemon's own.
func (k *keepalived) as(n *node, words []string) []string {
	user := k.user(n, 0)
	if user == "" || user == "root" {
		return words
	}
	return append([]string{"/usr/sbin/runuser", "-u", user, "--"}, words...)
}

// weight is a thing's own weight, or that of what it names. Without one it is 0,
// and a file's is 1.
func (k *keepalived) weight(n *node, defaults props) (weight int, at config.Position, reverse bool) {
	at = n.pos
	if defaults.get("file") != nil {
		weight = 1
	}
	if w := defaults.get("weight"); w != nil {
		if x, ok := k.number(w, 0); ok {
			weight, at, reverse = x, w.at(0), w.arg(1) == "reverse"
		}
	}
	for i := 0; i < len(n.args); i++ {
		switch n.arg(i) {
		case "weight":
			i++
			if x, ok := k.number(n, i); ok {
				weight, at = x, n.at(i)
			}
		case "reverse":
			reverse = true
		case "noreverse", "no_reverse":
			reverse = false
		default:
			k.tell(n.at(i), nil, "%s: not an option of what is tracked", n.arg(i))
		}
	}
	return weight, at, reverse
}
