package desired_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestDaemonsFollowTheRoles(t *testing.T) {
	master, backup := lvs.SyncMaster, lvs.SyncBackup
	tests := []struct {
		name     string
		mode     config.SyncMode
		one, two lvs.Role
		want     []lvs.SyncRole
	}{
		{"active in all", config.SyncFollow, lvs.Active, lvs.Active, []lvs.SyncRole{master}},
		{"active in one", config.SyncFollow, lvs.Active, lvs.Standby, []lvs.SyncRole{master, backup}},
		{"in none", config.SyncFollow, lvs.Undecided, lvs.Faulty, []lvs.SyncRole{backup}},
		{"both", config.SyncBoth, lvs.Standby, lvs.Standby, []lvs.SyncRole{master, backup}},
		{"master", config.SyncMaster, lvs.Standby, lvs.Standby, []lvs.SyncRole{master}},
		{"backup", config.SyncBackup, lvs.Active, lvs.Active, []lvs.SyncRole{backup}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &config.Config{
				VRRP: []config.VRRP{{Name: "one"}, {Name: "two"}},
				Sync: &config.Sync{Mode: tt.mode, Daemon: lvs.SyncDaemon{Interface: "eth1"}},
			}
			s := desired.Build(c, desired.Input{Host: desired.Host{Roles: map[string]lvs.Role{"one": tt.one, "two": tt.two}}})
			if diff := cmp.Diff(tt.want, slices.Sorted(maps.Keys(s.Daemons))); diff != "" {
				t.Errorf("daemons (-want +got):\n%s", diff)
			}
		})
	}
}
