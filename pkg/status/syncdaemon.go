package status

import (
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// SyncDaemon is a sync daemon that the kernel has or should have.
type SyncDaemon struct {
	Role      lvs.SyncRole `json:"role"` // master sends connections, backup receives them
	Interface string       `json:"interface"`
	ID        uint8        `json:"id"`
	Wanted    bool         `json:"wanted"`  // by the configuration and the director's role now; false where no daemon runs
	Running   bool         `json:"running"` // the kernel has it
}

// syncDaemons lays the daemons that should run beside those that do, the master first.
// One that runs otherwise than it should is there twice.
func syncDaemons(c *config.Config, o Observed) []SyncDaemon {
	list := []SyncDaemon{}
	var wanted map[lvs.SyncRole]lvs.SyncDaemon
	if o.Roles != nil {
		wanted = desired.Daemons(c, desired.Host{Roles: o.Roles})
	}
	for _, role := range []lvs.SyncRole{lvs.SyncMaster, lvs.SyncBackup} {
		want, wants := wanted[role]
		for _, d := range o.Daemons {
			if d.Role != role {
				continue
			}
			same := wants && want.Same(d)
			list = append(list, SyncDaemon{Role: role, Interface: d.Interface, ID: d.ID, Wanted: same, Running: true})
			wants = wants && !same
		}
		if wants {
			list = append(list, SyncDaemon{Role: role, Interface: want.Interface, ID: want.ID, Wanted: true})
		}
	}
	return list
}
