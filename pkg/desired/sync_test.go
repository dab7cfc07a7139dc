package desired_test

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// A director that starts again while it has the VIPs keeps its master: it is
// undecided, and was active.
func TestRestartKeepsTheMaster(t *testing.T) {
	key := lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.1/32")}
	c := &config.Config{
		VRRP: []config.VRRP{{Name: "front", VIPs: []lvs.Address{{AddressKey: key}}}},
		Sync: &config.Sync{Mode: config.SyncFollow},
	}
	there := map[lvs.AddressKey]lvs.Address{key: {AddressKey: key}}
	for _, tt := range []struct {
		addresses map[lvs.AddressKey]lvs.Address
		role      lvs.Role
		want      lvs.SyncRole
	}{{there, lvs.Undecided, lvs.SyncMaster}, {nil, lvs.Undecided, lvs.SyncBackup}, {there, lvs.Standby, lvs.SyncBackup}} {
		got := desired.Daemons(c, desired.Host{Addresses: tt.addresses, Roles: map[string]lvs.Role{"front": tt.role}})
		if _, ok := got[tt.want]; !ok || len(got) != 1 {
			t.Errorf("%s with %d VIPs: %v, want the %s", tt.role, len(tt.addresses), got, tt.want)
		}
	}
}

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
