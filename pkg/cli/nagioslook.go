package cli

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// services looks at the share of the servers that serve.
func (n *plugin) services(s status.Status) finding {
	var f finding
	w, c := n.warning.or("100:"), n.critical.or("1:")
	found, servers := map[string]bool{}, 0
	for _, v := range s.Services {
		if v.Virtual == "" || len(n.names) > 0 && !slices.Contains(n.names, v.Virtual) {
			continue
		}
		label := v.Virtual
		if several(s, v.Virtual) {
			label += " " + v.Service.String()
		}
		found[v.Virtual] = true
		servers += n.service(&f, v, label, w, c)
	}
	for _, name := range n.names {
		if !found[name] {
			return finding{level: pluginUnknown, texts: []string{"the director has no service " + name}}
		}
	}
	switch {
	case len(found) == 0 && n.subject == "service":
		return finding{level: pluginUnknown, texts: []string{"the director has no services"}}
	case f.level == pluginOK:
		f.texts = []string{fmt.Sprintf("all is well with %s and %s", count(len(found), "service"), count(servers, "server"))}
	}
	return f
}

// several tells whether a service of the configuration has several VIPs.
func several(s status.Status, virtual string) bool {
	n := 0
	for _, v := range s.Services {
		if v.Virtual == virtual {
			n++
		}
	}
	return n > 1
}

// service looks at one service and gives the number of its servers.
func (n *plugin) service(f *finding, v status.Service, label string, w, c threshold) int {
	serving, all := 0, 0
	var missing []string
	for _, r := range v.Servers {
		if r.Name == "" || r.Fallback || r.Configured == 0 {
			continue
		}
		all++
		if r.Present && r.Weight > 0 {
			serving++
			continue
		}
		missing = append(missing, whyNot(r))
	}
	percent := 100.0
	if all > 0 {
		percent = math.Floor(100 * float64(serving) / float64(all))
	}
	f.measure(label, percent, "%", w, c, "0;100")
	f.measure(label+" connections", float64(v.Active+v.Inactive), "", threshold{}, threshold{}, "0")
	switch {
	case !v.Present:
		f.note(pluginCritical, "%s: the kernel does not have it", label)
	case v.QuorumLost:
		f.note(pluginCritical, "%s: quorum lost, %d of %s serving: %s", label, serving, count(all, "server"), strings.Join(missing, ", "))
	case len(missing) > 0:
		f.note(level(percent, w, c), "%s: %d of %s serving: %s", label, serving, count(all, "server"), strings.Join(missing, ", "))
	default:
		f.note(level(percent, w, c), "%s: %s serving", label, count(all, "server"))
	}
	return all
}

// whyNot says of a server why it does not serve.
func whyNot(r status.Server) string {
	switch {
	case r.Health != nil && r.Health.State == health.Down:
		return fmt.Sprintf("%s down (%s)", r.Name, r.Health.Error)
	case r.Health != nil && r.Health.State == health.Unknown:
		return r.Name + " not checked yet"
	case !r.Present && r.Override == nil:
		return r.Name + " not in the kernel"
	}
	if r.Override != nil {
		return fmt.Sprintf("%s %s by %s", r.Name, r.Override.Verb(), r.Override.By)
	}
	return r.Name + " weight 0"
}

// roles looks at the VRRP instances.
func (n *plugin) roles(s status.Status) finding {
	if len(s.VRRP) == 0 {
		return finding{level: pluginUnknown, texts: []string{"the configuration has no VRRP instance"}}
	}
	var f finding
	for _, v := range s.VRRP {
		age := 0.0
		if !v.Since.IsZero() {
			age = max(0, math.Floor(s.Time.Sub(v.Since).Seconds()))
			f.measure(v.Name+" since", age, "s", n.warning, n.critical, "0")
		}
		switch {
		case v.Role == lvs.Faulty:
			f.note(pluginCritical, "%s: fault: %s", v.Name, orElse(v.Fault, "set by hand"))
		case v.Role == lvs.Undecided:
			f.note(pluginWarning, "%s: undecided", v.Name)
		case n.role != "" && v.Role.String() != n.role:
			f.note(pluginWarning, "%s: %s, but should be %s", v.Name, v.Role, n.role)
		default:
			f.note(n.changed(v, age), "%s: %s", v.Name, v.Role)
		}
		for _, vip := range v.VIPs {
			if text := presence(v.Role, vip.Present); strings.ToUpper(text[:1]) == text[:1] {
				f.note(pluginCritical, "%s: vip %s on %s is %s", v.Name, vip.Address, vip.Interface, text)
			}
		}
	}
	return f
}

// changed is the level of an instance that is well, by how long it is so.
func (n *plugin) changed(v status.VRRP, age float64) int {
	if v.Since.IsZero() {
		return pluginOK
	}
	return level(age, n.warning, n.critical)
}

// sync looks at the sync daemons.
func (n *plugin) sync(s status.Status) finding {
	if s.Sync == nil {
		return finding{level: pluginUnknown, texts: []string{"the configuration has no [sync]"}}
	}
	var f finding
	connections := float64(s.Sync.Here.Connections)
	f.measure("connections", connections, "", n.warning, n.critical, "0")
	f.note(level(connections, n.warning, n.critical), "%s", count(int(connections), "connection"))
	for _, role := range []lvs.SyncRole{lvs.SyncMaster, lvs.SyncBackup} {
		runs, wanted := slices.Contains(s.Sync.Daemons, role), slices.Contains(s.Sync.Roles, role)
		switch {
		case wanted && !runs:
			f.note(pluginCritical, "the %s on %s does not run", role, s.Sync.Interface)
		case runs && !wanted:
			f.note(pluginWarning, "a %s on %s runs that should not", role, s.Sync.Interface)
		case runs:
			f.note(pluginOK, "%s on %s", role, s.Sync.Interface)
		}
	}
	for _, p := range s.Sync.Peers {
		if p.Behind {
			f.note(pluginWarning, "director %s holds %s only", p.Address, count(int(p.Connections.Connections), "connection"))
		}
	}
	return f
}

// reload looks at whether the file is in force, and the kernel follows it.
func (n *plugin) reload(s status.Status) finding {
	var f finding
	d := s.Daemon
	w := n.warning
	if w.text == "" && n.critical.text == "" {
		w = w.or("0")
	}
	problems := 0
	if d.Reload != "" {
		problems = strings.Count(d.Reload, "\n") + 1
	}
	f.measure("problems", float64(problems), "", w, n.critical, "0")
	f.measure("age", math.Floor(s.Time.Sub(d.Loaded).Seconds()), "s", threshold{}, threshold{}, "0")
	text := "configuration loaded"
	if problems > 0 {
		text = "last reload refused: " + d.Reload
	}
	f.note(level(float64(problems), w, n.critical), "%s", text)
	if !d.Checked.IsZero() && !d.InStep {
		f.note(pluginCritical, "the kernel is not as configured: %s", strings.Join(d.Errors, ", "))
	}
	return f
}
