package plan

import "github.com/lvsd/lvsd/pkg/lvs"

// daemons starts anew a daemon that is there with other settings: it cannot be
// changed. Where any daemon is wanted, those of others go; else only lvsd's own.
func daemons(want, have map[lvs.SyncRole]lvs.SyncDaemon, owned map[lvs.SyncRole]bool) []Op {
	var add, remove []Op
	for _, role := range []lvs.SyncRole{lvs.SyncMaster, lvs.SyncBackup} {
		w, wanted := want[role]
		h, there := have[role]
		switch {
		case wanted && there && w.Same(h):
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
