package importer

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// syncGroup is a vrrp_sync_group.
type syncGroup struct {
	name    string // lvsd's
	props   props
	members []string // keepalived's names
}

// group reads a sync group. Programs that it runs are told of by its first member.
func (k *keepalived) group(n *node) {
	g := &syncGroup{name: k.unique("group", n.arg(0)), props: k.block(n.block, keepalivedGroup, nil)}
	for _, list := range g.props["group"] {
		for _, m := range list.block {
			g.members = append(g.members, append([]string{m.text}, m.words(0)...)...)
		}
	}
	k.groups = append(k.groups, g)
	if len(g.members) == 0 {
		return
	}
	first, ok := k.instances[g.members[0]]
	if !ok {
		k.tell(n.pos, nil, "group: there is no vrrp_instance %s", g.members[0])
		return
	}
	k.roleHooks(g.props, first, "GROUP", n.arg(0))
}

// groupOf is the sync group of an instance, or nil.
func (k *keepalived) groupOf(instance string) *syncGroup {
	for _, g := range k.groups {
		if slices.Contains(g.members, instance) {
			return g
		}
	}
	return nil
}

// roleHooks are the programs that keepalived runs when a role changes. lvsd gives
// INSTANCE, NAME, STATE and PRIORITY behind the command, which are $0 to $3 of a
// shell.
func (k *keepalived) roleHooks(p props, instance, kind, name string) {
	for _, h := range []struct{ word, state string }{{"notify_master", "MASTER"}, {"notify_backup", "BACKUP"}, {"notify_fault", "FAULT"}} {
		if n := p.get(h.word); n != nil {
			k.hook(n, hook{name: instance + "-" + strings.ToLower(h.state), on: "role-changed",
				when: fmt.Sprintf(`test "$1" = %s && test "$2" = %s`, shellWords(instance), h.state)})
		}
	}
	if n := p.get("notify"); n != nil {
		k.hook(n, hook{name: instance + "-notify", on: "role-changed", when: `test "$1" = ` + shellWords(instance),
			extra: " " + shellWords(kind, name) + ` "$2" "$3"`})
	}
	k.mails.roles = k.mails.roles || k.alert(p, "smtp_alert_vrrp", false)
}

// vrrp is an instance in the making.
type vrrp struct {
	*table
	props
	name    string
	node    *node
	group   *syncGroup
	version int
	six     bool
	names   names // of what it tracks
}

func (k *keepalived) instance(n *node) {
	v := &vrrp{name: k.instances[n.arg(0)], node: n, group: k.groupOf(n.arg(0))}
	v.table = k.table(n.pos, "vrrp", v.name)
	v.props = k.block(n.block, keepalivedInstance, v.table)
	if v.name != n.arg(0) {
		v.notes = append(v.notes, "vrrp_instance "+n.arg(0))
	}
	k.election(v)
	k.vips(v)
	k.peers(v)
	k.preempt(v)
	if v.group != nil {
		v.set(n.pos, "group", v.group.name)
	}
	k.refresh(v)
	k.tracked(v)
	k.roleHooks(v.props, v.name, "INSTANCE", n.arg(0))
}

// election is what the directors agree about.
func (k *keepalived) election(v *vrrp) {
	if n := v.get("interface"); n != nil {
		v.set(n.at(0), "interface", n.arg(0))
	}
	if n := v.get("virtual_router_id"); n != nil {
		if id, ok := k.number(n, 0); ok {
			v.set(n.at(0), "id", id)
		}
	}
	v.set(v.node.pos, "priority", 100)
	if n := v.get("priority"); n != nil {
		if p, ok := k.number(n, 0); ok {
			v.set(n.at(0), "priority", p)
		}
	} else if k.master(v) {
		v.set(v.node.pos, "priority", 255, "what keepalived makes of state MASTER without a priority")
	}
	k.versionOf(v)
	k.interval(v)
	k.password(v)
}

func (k *keepalived) master(v *vrrp) bool {
	n := v.get("state")
	return n != nil && strings.EqualFold(n.arg(0), "MASTER")
}

// versionOf is the instance's own version, the global one, or keepalived's default:
// 2 for IPv4, 3 for IPv6.
func (k *keepalived) versionOf(v *vrrp) {
	v.version = 2
	note := "keepalived's default; 3 if all directors run lvsd"
	for _, n := range []*node{k.global.get("vrrp_version"), v.get("version")} {
		if n == nil {
			continue
		}
		if version, ok := k.number(n, 0); ok {
			v.version, note = version, ""
		}
	}
	if list := v.get("virtual_ipaddress"); list != nil && len(list.block) > 0 {
		v.six = strings.Contains(list.block[0].text, ":")
	}
	if v.six {
		v.version, note = 3, ""
	}
	v.set(v.node.pos, "version", v.version, note)
}

// interval is how often the active director is heard. Version 2 has whole seconds,
// to which keepalived rounds.
func (k *keepalived) interval(v *vrrp) {
	d, pos := time.Second, v.node.pos
	if n := v.get("advert_int"); n != nil {
		var ok bool
		if d, ok = k.time(n, 0); !ok {
			return
		}
		pos = n.at(0)
		rounded := d.Round(10 * time.Millisecond)
		if v.version == 2 {
			rounded = max(time.Second, time.Duration(math.Round(d.Seconds()))*time.Second)
		}
		if rounded != d {
			k.tell(n.pos, v.table, "advert_int: version %d cannot say %s, it is %s", v.version, short(d), short(rounded))
		}
		d = rounded
	}
	v.set(pos, "interval", d)
}

// password is that of version 2, of which keepalived takes eight bytes.
func (k *keepalived) password(v *vrrp) {
	p := v.props
	if n := v.get("authentication"); n != nil && n.open.Line > 0 {
		p = k.block(n.block, carried("auth_type", "auth_pass"), v.table)
	}
	kind, pass := p.get("auth_type"), p.get("auth_pass")
	if kind == nil || pass == nil || pass.arg(0) == "" {
		return
	}
	switch {
	case v.version == 3:
		k.tell(pass.pos, v.table, "auth_pass: version 3 has no authentication; keepalived ignores it too")
	case strings.EqualFold(kind.arg(0), "AH"):
		k.tell(kind.pos, v.table, "auth_type: lvsd has no AH; the other directors must be without it too")
	default:
		word := pass.arg(0)
		v.set(pass.at(0), "password", word[:min(len(word), 8)])
	}
}

// vips are all addresses, excluded from adverts or not.
func (k *keepalived) vips(v *vrrp) {
	all := list{}
	bare := true // VIPs on the instance's own interface that a virtual MAC can have
	pos := v.node.pos
	seen := map[string]bool{}
	for _, word := range []string{"virtual_ipaddress", "virtual_ipaddress_excluded"} {
		for _, n := range v.props[word] {
			pos = n.pos
			for _, line := range n.block {
				vip, ok := k.vip(v, line)
				key := line.text + " " + vipDevice(line)
				if seen[key] {
					k.tell(line.pos, v.table, "%s: given twice; keepalived takes the first", line.text)
					continue
				}
				seen[key] = true
				all = append(all, vip)
				bare = bare && ok
			}
		}
	}
	v.set(pos, "vips", single(all))
	n := v.get("use_vmac")
	switch {
	case n == nil:
	case !bare:
		k.tell(n.pos, v.table, "use_vmac: VIPs with a network or a label cannot have a virtual MAC; give them /32 or /128 and no label for virtual_mac = true")
	default:
		v.set(n.pos, "virtual_mac", true)
	}
}

// vipDevice is the interface that an address names itself.
func vipDevice(n *node) string {
	for i := range n.args {
		if n.arg(i) == "dev" {
			return n.arg(i + 1)
		}
	}
	return ""
}

// vip reads an address with its options. It says whether a virtual MAC could have it.
func (k *keepalived) vip(v *vrrp, n *node) (any, bool) {
	addr := n.text
	if !strings.Contains(addr, "/") {
		bits := "/32"
		if strings.Contains(addr, ":") {
			bits = "/128"
		}
		addr += bits
	}
	keys := inline{{key: "address", value: addr}}
	p, err := netip.ParsePrefix(addr)
	alone := err == nil && p.IsSingleIP()
	for i := 0; i < len(n.args); i++ {
		switch word := n.arg(i); word {
		case "dev":
			i++
			if on := v.get("interface"); on == nil || on.arg(0) != n.arg(i) {
				keys = append(keys, entry{key: "interface", value: n.arg(i)})
			}
		case "label":
			i++
			keys = append(keys, entry{key: "label", value: n.arg(i)})
			alone = false
		case "scope":
			i++
			if n.arg(i) != "global" {
				k.tell(n.at(i), v.table, "scope: %s has the scope that follows from its kind", n.text)
			}
		case "brd", "broadcast", "peer", "preferred_lft":
			i++
			k.tell(n.at(i-1), v.table, "%s: a VIP is an address alone", word)
		case "-nodad", "no_track", "home", "mngtmpaddr", "noprefixroute", "autojoin", "use_vmac", "nodad":
			if word != "-nodad" && word != "nodad" {
				k.tell(n.at(i), v.table, "%s: a VIP is an address alone, which lvsd puts back when it is taken away", word)
			}
		default:
			k.tell(n.at(i), v.table, "%s: not an option of an address", word)
		}
	}
	if len(keys) == 1 {
		return addr, alone
	}
	return keys, alone
}

// peers are the directors that are told one by one.
func (k *keepalived) peers(v *vrrp) {
	all := list{}
	n := v.get("unicast_peer")
	if n != nil {
		for _, line := range n.block {
			all = append(all, line.text)
			if len(line.args) > 0 {
				k.tell(line.at(0), v.table, "%s: min_ttl is of the instance", line.arg(0))
			}
		}
	}
	for _, word := range []string{"mcast_src_ip", "unicast_src_ip"} {
		if n := v.get(word); n != nil {
			v.set(n.at(0), "source", n.arg(0))
		}
	}
	if len(all) == 0 {
		return
	}
	v.set(n.pos, "peers", single(all))
	if v.six {
		v.set(n.pos, "min_ttl", 64, "keepalived before 2.2.8 sends with the host's default; without, if all run lvsd")
	}
}

func (k *keepalived) preempt(v *vrrp) {
	no, delay := v.get("nopreempt"), v.get("preempt_delay")
	if k.master(v) {
		for _, n := range []*node{no, delay} {
			if n != nil {
				k.tell(n.pos, v.table, "%s: keepalived ignores it with state MASTER; write preempt = false or preempt_delay if you want it", n.text)
			}
		}
		return
	}
	if no != nil {
		v.set(no.pos, "preempt", false)
		return
	}
	if delay != nil {
		if d, ok := k.time(delay, 0); ok {
			v.set(delay.at(0), "preempt_delay", d)
		}
	}
}

func (k *keepalived) refresh(v *vrrp) {
	n := v.get("garp_master_refresh")
	if n == nil {
		n = k.global.get("vrrp_garp_master_refresh")
	}
	if n == nil {
		return
	}
	if d, ok := k.time(n, 0); ok && d > 0 {
		v.set(n.at(0), "announce_refresh", d)
	}
}
