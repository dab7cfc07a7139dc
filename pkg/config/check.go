package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/health/check"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Bounds of the times and counts of a check and of slow_start.
const (
	maxInterval  = 24 * time.Hour
	maxStreak    = 1000
	maxSlowStart = time.Hour
	maxQuorum    = 1 << 31
)

// shortForm is the name of the check of a table that has one only.
const shortForm = "check"

// rawChecks is what may stand in [defaults], a virtual service and a real server.
type rawChecks struct {
	Check  rawCheck                   `toml:"check"`
	Checks named[rawCheck, *rawCheck] `toml:"checks"`
}

// rawCheck keeps the node: which keys a check may have is told by its type,
// which may stand in the table above.
type rawCheck struct {
	at
	node *node
}

func (r *rawCheck) decode(p *problems, n *node) {
	r.pos, r.node = n.pos, n
	if _, ok := n.value.(string); ok {
		word := *n
		word.key, word.path = n.pos, joinPath(n.path, "type")
		r.node = &node{path: n.path, key: n.key, pos: n.pos, table: map[string]*node{"type": &word}}
		return
	}
	if n.table == nil {
		r.bad = true
		p.add(n.pos, `a table such as { type = "tcp" }, or the type alone`, "%s is %s", n.path, n.kind())
	}
}

// checkNodes are the checks of a table by their names.
type checkNodes map[string]*node

// layer gives the checks of a table: those of the table above it, with what it
// says itself. A check alone takes the place of all, a named one that of its
// name. One without a type takes from the one above what it does not give.
func (c *checker) layer(above checkNodes, raw *rawChecks) checkNodes {
	switch {
	case raw.Check.given() && raw.Checks.given():
		c.add(raw.Check.pos, "one of them: check is for one, checks for several", "both check and checks are given")
	case raw.Check.ok():
		return checkNodes{shortForm: override(above[shortForm], raw.Check.node)}
	case raw.Checks.ok():
		nodes := checkNodes{}
		maps.Copy(nodes, above)
		for i := range raw.Checks.entries {
			e := &raw.Checks.entries[i]
			checkName(&c.problems, e.pos, "check", e.name)
			if e.value.ok() {
				nodes[e.name] = override(above[e.name], e.value.node)
			}
		}
		return nodes
	}
	return above
}

func override(above, own *node) *node {
	if above == nil || own.table["type"] != nil {
		return own
	}
	merged := *own
	merged.table = maps.Clone(above.table)
	maps.Copy(merged.table, own.table)
	return &merged
}

// checks reads the checks of a service, or those of [defaults] for nil.
func (c *checker) checks(s *service, nodes checkNodes) []Check {
	var list []Check
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if v, ok := c.check(s, nodes[name]); ok {
			v.Name = name
			list = append(list, v)
		}
	}
	return list
}

// serverChecks gives the checks of one real server.
func (c *checker) serverChecks(s *service, e *entry[rawReal], r *Real) []Check {
	raw, nodes, list := &e.value.rawChecks, s.checkNodes, s.checks
	if raw.Check.given() || raw.Checks.given() {
		nodes = c.layer(nodes, raw)
		list = c.checks(s, nodes)
	}
	for _, v := range list {
		c.reachable(s, nodes[v.Name], v, r)
	}
	return list
}

// reachable checks that there is a port to ask and a way from the source.
func (c *checker) reachable(s *service, n *node, v Check, r *Real) {
	if check.NeedsPort(v.Spec.Kind()) && v.Port == 0 && portless(s, v, r) {
		c.add(n.pos, "port = NUMBER", "the %s check has no port to ask: neither the service nor the server has one", v.Spec.Kind())
	}
	to := r.Address
	switch {
	case v.ViaVIP && len(s.keys) > 0:
		to = s.keys[0].VIP.Addr()
	case v.Address.IsValid():
		to = v.Address
	}
	if v.Source.IsValid() && to.IsValid() && lvs.FamilyOf(v.Source) != lvs.FamilyOf(to) {
		c.add(n.table["source"].pos, fmt.Sprintf("an %s address", lvs.FamilyOf(to)), "%s cannot be reached from %s", to, v.Source)
	}
}

// portless tells whether a check would get port 0 behind one of the keys.
func portless(s *service, v Check, r *Real) bool {
	return slices.ContainsFunc(s.keys, func(k lvs.ServiceKey) bool {
		if v.ViaVIP {
			return k.VIP.Port() == 0
		}
		return r.Server(k).Key.Port() == 0
	})
}

// quorum reads quorum. The hysteresis cannot be more than the weight: a quorum
// that is met would never be lost.
func (c *checker) quorum(raw *rawQuorum) health.Quorum {
	if raw.ok() && !raw.Weight.given() {
		c.add(raw.pos, "weight = NUMBER", "quorum has no weight")
		return health.Quorum{}
	}
	weight := raw.Weight.in(&c.problems, "quorum", 0, maxQuorum, 0)
	return health.Quorum{
		Weight:     weight,
		Hysteresis: raw.Hysteresis.in(&c.problems, "hysteresis", 0, weight, 0),
	}
}
