package plan

import (
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// renumbers tells whether operations change the number of threads of a sync daemon,
// which the kernel reads when one starts and does not tell (start_sync_thread,
// net/netfilter/ipvs/ip_vs_sync.c).
func renumbers(ops []Op) bool {
	return slices.ContainsFunc(ops, func(op Op) bool {
		s, ok := op.(Sysctl)
		return ok && s.Key == "net.ipv4.vs.sync_ports"
	})
}

// daemons starts anew a daemon that is there with other settings: it cannot be
// changed. renumbered are those that run with another number of threads. Where any
// daemon is wanted, those of others go; else only lvsd's own.
func daemons(want, have map[lvs.SyncRole]lvs.SyncDaemon, owned map[lvs.SyncRole]bool, renumbered bool) []Op {
	var add, remove []Op
	for _, role := range []lvs.SyncRole{lvs.SyncMaster, lvs.SyncBackup} {
		w, wanted := want[role]
		h, there := have[role]
		switch {
		case wanted && there && w.Same(h) && !renumbered:
		case wanted && there:
			add = append(add, Daemon{lvs.Delete, h}, Daemon{lvs.Add, w})
		case wanted:
			add = append(add, Daemon{lvs.Add, w})
		case there && (owned[role] || len(want) > 0):
			remove = append(remove, Daemon{lvs.Delete, h})
		}
	}
	return append(add, remove...)
}

// silence parts the ends of a backup daemon from the other operations.
func silence(ops []Op) (ends, others []Op) {
	for _, op := range ops {
		if d, ok := op.(Daemon); ok && d.Verb == lvs.Delete && d.Role == lvs.SyncBackup {
			ends = append(ends, op)
		} else {
			others = append(others, op)
		}
	}
	return ends, others
}
