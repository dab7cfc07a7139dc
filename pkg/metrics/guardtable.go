package metrics

import (
	"github.com/lvsd/lvsd/pkg/status"
)

// guarding is a metric with a single series, which is not there without a guard.
func guarding(name, help string, value func(*status.Guard) float64) family {
	return family{name, gauge, help, func(s *scrape, add add) {
		if s.Status.Guard != nil {
			add(value(s.Status.Guard), nil)
		}
	}}
}

// guarded is a metric with one series for each VIP under guard.
func guarded(name, help string, value func(status.GuardVIP) uint64) family {
	return family{name, counter, help, func(s *scrape, add add) {
		if s.Status.Guard == nil {
			return
		}
		for _, v := range s.Status.Guard.VIPs {
			add(float64(value(v)), labels("vip", v.VIP.String()))
		}
	}}
}

// decided is a metric with one series for each VIP under guard and each rule that
// drops.
func decided(name, help string, value func(status.GuardReason) uint64) family {
	return family{name, counter, help, func(s *scrape, add add) {
		if s.Status.Guard == nil {
			return
		}
		for _, v := range s.Status.Guard.VIPs {
			for _, r := range v.Reasons {
				if r.Drops {
					add(float64(value(r)), labels("reason", r.Reason, "vip", v.VIP.String()))
				}
			}
		}
	}}
}

// asked is a metric with one series for each service of which the guard sees the
// connections begin.
func asked(name, help string, value func(*status.GuardSYNs) uint64) family {
	return family{name, gauge, help, func(s *scrape, add add) {
		for _, v := range s.Status.Services {
			if v.SYNs != nil {
				add(float64(value(v.SYNs)), labels("service", v.Service.String(), "virtual", v.Virtual))
			}
		}
	}}
}

var guardTable = []family{
	guarding("lvsd_guard_loaded", "1 if the guard's program is in the kernel.",
		func(g *status.Guard) float64 { return boolean(g.Loaded) }),
	guarding("lvsd_guard_enforcing", "1 if the guard drops, 0 if it only counts what it would drop.",
		func(g *status.Guard) float64 { return boolean(g.Enforce) }),
	guarding("lvsd_guard_problems", "Lists that could not be read, and what else keeps the guard from being as configured.",
		func(g *status.Guard) float64 { return float64(len(g.Problems)) }),
	{"lvsd_guard_attached", gauge, "1 if the guard's program is attached to the interface.",
		func(s *scrape, add add) {
			if s.Status.Guard == nil {
				return
			}
			for _, i := range s.Status.Guard.Interfaces {
				add(boolean(i.Mode != ""), labels("interface", i.Interface))
			}
		}},
	{"lvsd_guard_list_networks", gauge, "Networks on the guard's list, which is allow or block.",
		func(s *scrape, add add) {
			if g := s.Status.Guard; g != nil {
				add(float64(g.Allow), labels("list", "allow"))
				add(float64(g.Block), labels("list", "block"))
			}
		}},
	guarded("lvsd_guard_passed_packets_total", "Packets for the VIP that the guard let through.",
		func(v status.GuardVIP) uint64 { return v.Passed.Packets }),
	guarded("lvsd_guard_passed_bytes_total", "Their bytes.",
		func(v status.GuardVIP) uint64 { return v.Passed.Bytes }),
	guarded("lvsd_guard_dropped_bytes_total", "Bytes for the VIP that the guard dropped.",
		func(v status.GuardVIP) uint64 { return v.Dropped.Bytes }),
	decided("lvsd_guard_dropped_packets_total", "Packets for the VIP that the guard dropped, by the rule that decided.",
		func(r status.GuardReason) uint64 { return r.Dropped }),
	decided("lvsd_guard_spared_packets_total", "Packets for the VIP that the guard would have dropped, had it not only counted.",
		func(r status.GuardReason) uint64 { return r.Passed }),
	asked("lvsd_service_recent_syns", "Connections that clients asked for in the last seconds, as the guard sees them.",
		func(s *status.GuardSYNs) uint64 { return s.SYNs }),
	asked("lvsd_service_recent_repeated_syns", "Of these, those that were asked for again: a sign that nobody answered the first time.",
		func(s *status.GuardSYNs) uint64 { return s.Repeated }),
}
