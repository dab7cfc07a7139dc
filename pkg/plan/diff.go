package plan

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Owned are the keys of what lvsd made: the only things beside those that are
// desired which a plan may delete.
type Owned struct {
	Services  map[lvs.ServiceKey]bool
	Addresses map[lvs.AddressKey]bool
	Links     map[string]bool
	Daemons   map[lvs.SyncRole]bool
}

// Diff gives the operations that lead from have to want, in the order in which
// to do them:
//
//   - what forwarding needs first: modules, parameters, time-outs, rules, detours,
//     and what the guard has to let through;
//   - then, if no sync daemon is wanted, the end of those that are: the kernel takes
//     a real server of another family than its service only without them;
//   - then all that gives the services that stay capacity, and only after it all
//     that takes some, so that no step leaves a service without an available
//     server if both states have one;
//   - then, if a backup daemon silences IPVS, its end;
//   - then addresses: a new one attracts traffic only when its services are
//     complete, one that goes stops to attract before they go; the interfaces that
//     are made for them come before and go after them;
//   - then services that nobody needs any more, and then the sync daemons, the new one
//     before the old one stops: they do not start beside a server of another family;
//   - last the rules, detours and guards that nothing needs any more.
//
// It is empty if nothing is to be done. Both states are only read.
func Diff(want, have lvs.State, owned Owned) []Op {
	grow, shrink, remove := services(want.Services, have.Services, owned.Services)
	addRules, deleteRules := rules(want.Rules, have.Rules)
	addDetours, deleteDetours := detours(want.Detours, have.Detours)
	addGuard, deleteGuard := guard(want, have)
	parameters := sysctls(want.Sysctls, have.Sysctls)
	ends, starts := roles(want, have, owned, renumbers(parameters))
	var early []Op
	if len(want.Daemons) == 0 {
		early, starts = starts, nil // nothing starts
	}
	return slices.Concat(
		modules(want.Modules, have.Modules),
		parameters,
		timeouts(want.Timeouts, have.Timeouts),
		addRules,
		addDetours,
		addGuard,
		early,
		grow,
		shrink,
		ends,
		Addresses(want, have, owned),
		remove,
		starts,
		deleteRules,
		deleteDetours,
		deleteGuard,
	)
}

func modules(want, have []string) []Op {
	var ops []Op
	for _, name := range want {
		if !slices.Contains(have, name) {
			ops = append(ops, Module{name})
		}
	}
	return ops
}

// sysctls looks only at what is wanted: a parameter belongs to nobody, so none
// is ever set back.
func sysctls(want, have map[string]lvs.Sysctl) []Op {
	var ops []Op
	for _, key := range slices.Sorted(maps.Keys(want)) {
		w := want[key]
		old, effective := have[key].Value, have[key].Value
		if w.Over != "" {
			effective = larger(old, have[w.Over].Value)
		}
		if effective == w.Value || slices.Contains(strings.Fields(w.Accept), effective) {
			continue
		}
		ops = append(ops, Sysctl{Sysctl: w, Old: old})
	}
	return ops
}

// larger is how the kernel combines a parameter of an interface with the one of
// all interfaces (IN_DEV_MAXCONF, include/linux/inetdevice.h).
func larger(a, b string) string {
	x, errA := strconv.Atoi(a)
	y, errB := strconv.Atoi(b)
	if errA != nil || errB != nil || x >= y {
		return a
	}
	return b
}

func timeouts(want, have lvs.Timeouts) []Op {
	change := lvs.Timeouts{
		TCP:    differing(want.TCP, have.TCP),
		TCPFin: differing(want.TCPFin, have.TCPFin),
		UDP:    differing(want.UDP, have.UDP),
	}
	if change == (lvs.Timeouts{}) {
		return nil
	}
	return []Op{Timeouts{change}}
}

func differing(want, have time.Duration) time.Duration {
	if want == have {
		return 0
	}
	return want
}

// rules wants each rule once. A jump is added after the rules of the chain that
// it leads to and deleted before them.
func rules(want, have map[lvs.Rule]int) (add, remove []Op) {
	sorted := func(m map[lvs.Rule]int) []lvs.Rule {
		return slices.SortedFunc(maps.Keys(m), lvs.Rule.Compare)
	}
	jumps := func(r lvs.Rule) bool { return !strings.HasPrefix(r.Chain, lvs.ChainPrefix) }
	var addJumps, deleteRules []Op
	for _, r := range sorted(want) {
		switch {
		case have[r] > 0:
		case jumps(r):
			addJumps = append(addJumps, Rule{lvs.Add, r})
		default:
			add = append(add, Rule{lvs.Add, r})
		}
	}
	for _, r := range sorted(have) {
		for range have[r] - want[r] {
			if jumps(r) {
				remove = append(remove, Rule{lvs.Delete, r})
			} else {
				deleteRules = append(deleteRules, Rule{lvs.Delete, r})
			}
		}
	}
	return append(add, addJumps...), append(remove, deleteRules...)
}

// Takeover gives the operations on addresses and sync daemons alone, for when all
// else is known to be as desired. A director whose IPVS is silent while it is a
// standby must speak before it gets the VIPs, or it would refuse the connections of
// others.
func Takeover(want, have lvs.State, owned Owned) []Op {
	ends, starts := roles(want, have, owned, false)
	return slices.Concat(ends, Addresses(want, have, owned), starts)
}

// roles gives what is to be done with sync daemons before addresses change, and
// after that.
func roles(want, have lvs.State, owned Owned, renumbered bool) (first, last []Op) {
	last = daemons(want.Daemons, have.Daemons, owned.Daemons, renumbered)
	if want.Silent {
		return silence(last)
	}
	return nil, last
}

// Addresses gives the operations on addresses and on the interfaces that are made
// for them alone, for when all else is known to be as desired.
func Addresses(want, have lvs.State, owned Owned) []Op {
	addLinks, deleteLinks := links(want.Links, have.Links, owned.Links)
	standing := maps.Clone(have.Addresses)
	maps.DeleteFunc(standing, func(k lvs.AddressKey, _ lvs.Address) bool { return replaced(want.Links, have.Links, k.Interface) })
	add, remove := addresses(want, standing, owned.Addresses)
	return slices.Concat(addLinks, add, remove, deleteLinks)
}

// replaced tells whether an interface is not as it should be: then it goes first,
// with its addresses.
func replaced(want, have map[string]lvs.VirtualLink, name string) bool {
	w, wanted := want[name]
	h, there := have[name]
	return wanted && there && w != h
}

func links(want, have map[string]lvs.VirtualLink, owned map[string]bool) (add, remove []Op) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		old, there := have[name]
		if replaced(want, have, name) {
			add = append(add, Link{lvs.Delete, old})
		}
		if !there || old != want[name] {
			add = append(add, Link{lvs.Add, want[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok && owned[name] {
			remove = append(remove, Link{lvs.Delete, have[name]})
		}
	}
	return add, remove
}

// detours are all lvsd's own: those that nobody wants go.
func detours(want, have map[lvs.Detour]bool) (add, remove []Op) {
	for _, d := range slices.SortedFunc(maps.Keys(want), lvs.Detour.Compare) {
		if !have[d] {
			add = append(add, Detour{lvs.Add, d})
		}
	}
	for _, d := range slices.SortedFunc(maps.Keys(have), lvs.Detour.Compare) {
		if !want[d] {
			remove = append(remove, Detour{lvs.Delete, d})
		}
	}
	return add, remove
}

// addresses leaves an address that is there as it is: its label cannot be
// changed without taking it away for a moment, and traffic with it. The prefix
// length of an IPv6 address is changed just so: the kernel takes the address once.
func addresses(want lvs.State, have map[lvs.AddressKey]lvs.Address, owned map[lvs.AddressKey]bool) (add, remove []Op) {
	absent := map[lvs.AddressKey]bool{}
	for key := range want.Absent {
		absent[host(key)] = true
	}
	old := map[lvs.AddressKey]Op{} // deletions of IPv6 addresses, by host
	for _, key := range slices.SortedFunc(maps.Keys(have), lvs.AddressKey.Compare) {
		if _, ok := want.Addresses[key]; ok || !owned[key] && !absent[host(key)] {
			continue
		}
		op := Address{lvs.Delete, have[key]}
		if key.Prefix.Addr().Is6() {
			old[host(key)] = op
		}
		remove = append(remove, op)
	}
	for _, key := range slices.SortedFunc(maps.Keys(want.Addresses), lvs.AddressKey.Compare) {
		if _, ok := have[key]; ok {
			continue
		}
		if op, ok := old[host(key)]; ok {
			add = append(add, op)
			remove = slices.DeleteFunc(remove, func(o Op) bool { return o == op })
		}
		add = append(add, Address{lvs.Add, want.Addresses[key]})
	}
	return add, remove
}

// host is a key without the length of its network's prefix.
func host(k lvs.AddressKey) lvs.AddressKey {
	addr := k.Prefix.Addr()
	return lvs.AddressKey{Interface: k.Interface, Prefix: netip.PrefixFrom(addr, addr.BitLen())}
}
