package plan

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// GuardLoad loads the guard, which looks at no packet yet.
type GuardLoad struct{}

func (GuardLoad) String() string { return "load guard" }

// GuardRemove takes the guard away, all of it.
type GuardRemove struct{}

func (GuardRemove) String() string { return "remove guard" }

// Guard changes the guard in place.
type Guard struct {
	lvs.GuardChange
	text string
}

func (o Guard) String() string { return o.text }

// guard gives what leads from one guard to another. What opens and what comes
// under guard is first, and what attaches comes when all the rest is there; what
// is taken away waits until nothing needs it.
func guard(want, have lvs.State) (first, last []Op) {
	w, h := want.Guard, have.Guard
	switch {
	case w == nil && h == nil:
		return nil, nil
	case w == nil:
		return nil, append(detach(lvs.Guard{}, *h), GuardRemove{})
	case h == nil:
		first = append(first, GuardLoad{})
		h = &lvs.Guard{}
	}
	if w.GuardSettings != h.GuardSettings {
		first = append(first, Guard{lvs.GuardSet{Settings: w.GuardSettings}, fmt.Sprintf("set guard to %s", w.GuardSettings)})
	}
	first = append(first, prefixes(lvs.AllowList, w.Allow, h.Allow, want.GuardGrow)...)
	first = append(first, prefixes(lvs.BlockList, w.Block, h.Block, want.GuardGrow)...)
	first = append(first, guardVIPs(w.VIPs, h.VIPs)...)
	first = append(first, attach(*w, *h)...)
	last = append(detach(*w, *h), unguardVIPs(w.VIPs, h.VIPs)...)
	return first, last
}

func prefixes(list lvs.GuardList, want, have lvs.PrefixSet, grow map[lvs.GuardList]bool) []Op {
	if grow[list] {
		want = lvs.Union(want, have)
	}
	if want.Equal(have) {
		return nil
	}
	var words []string
	say := func(verb string, changed lvs.PrefixSet) {
		if changed.Len() > 0 {
			words = append(words, verb+" "+changed.String())
		}
	}
	say("add", want.Minus(have))
	say("delete", have.Minus(want))
	text := fmt.Sprintf("change guard's %s: %s", list, strings.Join(words, ", "))
	return []Op{Guard{lvs.GuardPrefixes{List: list, Prefixes: want}, text}}
}

func guardVIPs(want, have map[netip.Addr]lvs.GuardVIP) []Op {
	var ops []Op
	for _, a := range slices.SortedFunc(maps.Keys(want), netip.Addr.Compare) {
		w := want[a]
		h, ok := have[a]
		switch {
		case !ok:
			ops = append(ops, Guard{lvs.GuardVIPChange{Verb: lvs.Add, Addr: a, VIP: w}, fmt.Sprintf("guard %s: open %s", a, opened(w.Ports))})
		case w.Shared != h.Shared || w.Limits != h.Limits || !maps.Equal(w.Ports, h.Ports):
			ops = append(ops, Guard{lvs.GuardVIPChange{Verb: lvs.Set, Addr: a, VIP: w}, fmt.Sprintf("guard %s: %s", a, changed(w, h))})
		}
	}
	return ops
}

func unguardVIPs(want, have map[netip.Addr]lvs.GuardVIP) []Op {
	var ops []Op
	for _, a := range slices.SortedFunc(maps.Keys(have), netip.Addr.Compare) {
		if _, ok := want[a]; !ok {
			ops = append(ops, Guard{lvs.GuardVIPChange{Verb: lvs.Delete, Addr: a}, fmt.Sprintf("guard %s no more", a)})
		}
	}
	return ops
}

// opened lists ports with their limits.
func opened(ports map[lvs.GuardPort]lvs.GuardLimits) string {
	var words []string
	for _, p := range slices.SortedFunc(maps.Keys(ports), lvs.GuardPort.Compare) {
		words = append(words, limited(p.String(), ports[p]))
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

func limited(what string, l lvs.GuardLimits) string {
	if l == (lvs.GuardLimits{}) {
		return what
	}
	return fmt.Sprintf("%s (%s)", what, l)
}

// changed says what is different about a VIP.
func changed(want, have lvs.GuardVIP) string {
	var words []string
	for _, p := range slices.SortedFunc(maps.Keys(want.Ports), lvs.GuardPort.Compare) {
		h, ok := have.Ports[p]
		switch w := want.Ports[p]; {
		case !ok:
			words = append(words, "open "+limited(p.String(), w))
		case w != h:
			words = append(words, fmt.Sprintf("limit %s to %s", p, w))
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(have.Ports), lvs.GuardPort.Compare) {
		if _, ok := want.Ports[p]; !ok {
			words = append(words, "close "+p.String())
		}
	}
	if want.Limits != have.Limits {
		words = append(words, fmt.Sprintf("limit what has no port to %s", want.Limits))
	}
	if want.Shared && !have.Shared {
		words = append(words, "pass answers to the director itself")
	}
	if have.Shared && !want.Shared {
		words = append(words, "pass no answers to the director itself")
	}
	return strings.Join(words, ", ")
}

func attach(want, have lvs.Guard) []Op {
	var ops []Op
	for _, name := range slices.Sorted(maps.Keys(want.Interfaces)) {
		w := want.Interfaces[name]
		h, ok := have.Interfaces[name]
		switch {
		case !ok:
			ops = append(ops, Guard{lvs.GuardAttach{Verb: lvs.Add, Interface: name, Link: w}, fmt.Sprintf("attach guard to %s (mode %s)", name, w.Mode)})
		case !h.Same(w):
			text := fmt.Sprintf("attach guard to %s anew (mode %s, was %s)", name, w.Mode, h.Mode)
			if h.Outdated {
				text = fmt.Sprintf("replace guard's program on %s", name)
			}
			ops = append(ops, Guard{lvs.GuardAttach{Verb: lvs.Set, Interface: name, Link: w}, text})
		}
	}
	return ops
}

func detach(want, have lvs.Guard) []Op {
	var ops []Op
	for _, name := range slices.Sorted(maps.Keys(have.Interfaces)) {
		if _, ok := want.Interfaces[name]; !ok {
			ops = append(ops, Guard{lvs.GuardAttach{Verb: lvs.Delete, Interface: name}, "detach guard from " + name})
		}
	}
	return ops
}

// IsGuard tells whether an operation is about the guard.
func IsGuard(op Op) bool {
	switch op.(type) {
	case GuardLoad, GuardRemove, Guard:
		return true
	}
	return false
}
