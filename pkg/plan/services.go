package plan

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// services gives the changes that add capacity, those that take some, and the
// deletions of whole services.
func services(want, have map[lvs.ServiceKey]lvs.Service, owned map[lvs.ServiceKey]bool) (grow, shrink, remove []Op) {
	for _, key := range slices.SortedFunc(maps.Keys(want), lvs.ServiceKey.Compare) {
		w := want[key]
		h, ok := have[key]
		switch {
		case !ok:
			grow = append(grow, Table{lvs.Change{Verb: lvs.Add, Service: w}})
		case !w.Same(h.Settings):
			grow = append(grow, Table{lvs.Change{Verb: lvs.Set, Service: w}})
		}
		grow, shrink = servers(grow, shrink, w, h.Servers)
	}
	for _, key := range slices.SortedFunc(maps.Keys(owned), lvs.ServiceKey.Compare) {
		if _, ok := want[key]; ok {
			continue
		}
		if h, ok := have[key]; ok {
			remove = append(remove, Table{lvs.Change{Verb: lvs.Delete, Service: h}})
		}
	}
	return grow, shrink, remove
}

// servers appends the changes of one service's real servers: added and raised
// ones to grow, those that come to weight 0 and then those that go to shrink.
func servers(grow, shrink []Op, service lvs.Service, have []lvs.Server) ([]Op, []Op) {
	change := func(v lvs.Verb, s lvs.Server) Op {
		return Table{lvs.Change{Verb: v, Service: service, Server: &s}}
	}
	var sets []Op
	for want, has := range match(service.Servers, have) {
		switch {
		case has == nil:
			grow = append(grow, change(lvs.Add, *want))
		case want.Same(has.ServerSettings):
		case want.Weight == 0:
			shrink = append(shrink, change(lvs.Set, *want))
		default:
			sets = append(sets, change(lvs.Set, *want))
		}
	}
	for has, want := range match(have, service.Servers) {
		if want == nil {
			shrink = append(shrink, change(lvs.Delete, *has))
		}
	}
	return append(grow, sets...), shrink
}

// match pairs every server of a with the one of b that has its key, or nil.
// Both are sorted, so that no map has to be made for each service.
func match(a, b []lvs.Server) func(yield func(*lvs.Server, *lvs.Server) bool) {
	return func(yield func(*lvs.Server, *lvs.Server) bool) {
		j := 0
		for i := range a {
			for j < len(b) && b[j].Key.Compare(a[i].Key) < 0 {
				j++
			}
			var other *lvs.Server
			if j < len(b) && b[j].Key == a[i].Key {
				other = &b[j]
			}
			if !yield(&a[i], other) {
				return
			}
		}
	}
}

// Serves tells whether a service has a server of positive weight among those
// for which ok holds.
func Serves(s lvs.Service, ok func(netip.AddrPort) bool) bool {
	return slices.ContainsFunc(s.Servers, func(r lvs.Server) bool { return r.Weight > 0 && ok(r.Key) })
}
