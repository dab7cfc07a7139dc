package desired_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// A director that is a real server of VIPs that it shares has them on lo, and is
// silent while it is a standby.
func TestBoth(t *testing.T) {
	vip := netip.MustParseAddrPort("192.0.2.1:80")
	own := netip.MustParseAddr("10.0.0.1")
	prefix := func(a netip.Addr, device string) lvs.AddressKey {
		return lvs.AddressKey{Interface: device, Prefix: netip.PrefixFrom(a, 32)}
	}
	real := func(address netip.Addr, f lvs.Forwarding) config.Real {
		return config.Real{Name: "r", Address: address, Forwarding: f, Weight: 1}
	}
	two := []config.VRRP{{Name: "a"}, {Name: "b"}}
	tests := []struct {
		name   string
		change func(c *config.Config)
		both   bool
		silent bool
		hinder string
	}{
		{"two boxes", func(*config.Config) {}, true, true, ""},
		{"real servers elsewhere", func(c *config.Config) { c.Virtual[0].Real = c.Virtual[0].Real[1:] }, false, false, ""},
		{"by NAT", func(c *config.Config) { c.Virtual[0].Real[0] = real(own, lvs.NAT) }, false, false, ""},
		{"not shared", func(c *config.Config) { c.VRRP[0].VIPs = nil }, false, false, ""},
		{"said by hand", func(c *config.Config) {
			c.Virtual[0].Real, c.Sync.BackupOnly = c.Virtual[0].Real[1:], config.Yes
		}, false, true, ""},
		{"forbidden", func(c *config.Config) { c.Sync.BackupOnly = config.No }, true, false, "backup_only in [sync]"},
		{"no sync", func(c *config.Config) { c.Sync = nil }, true, false, "a table [sync]"},
		{"always both daemons", func(c *config.Config) { c.Sync.Mode = config.SyncBoth }, true, false, `mode = "follow" in [sync]`},
		{"roles of their own", func(c *config.Config) { c.VRRP = append(c.VRRP, two...) }, true, false, "one group of all tables [vrrp.NAME]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &config.Config{
				VRRP: []config.VRRP{{Name: "front", VIPs: []lvs.Address{{AddressKey: prefix(vip.Addr(), "eth0")}}}},
				Sync: &config.Sync{Mode: config.SyncFollow},
				Virtual: []config.Virtual{{
					Name: "web", Keys: []lvs.ServiceKey{lvs.AddrKey(lvs.TCP, vip)},
					Real: []config.Real{real(own, lvs.DR), real(netip.MustParseAddr("10.0.0.2"), lvs.DR)},
				}},
			}
			tt.change(c)
			host := map[lvs.AddressKey]lvs.Address{prefix(own, "eth0"): {AddressKey: prefix(own, "eth0")}}
			for _, role := range []lvs.Role{lvs.Active, lvs.Standby, lvs.Undecided} {
				s := desired.Build(c, desired.Input{Host: desired.Host{Addresses: host, Roles: map[string]lvs.Role{"front": role}}})
				_, hidden := s.Addresses[prefix(vip.Addr(), "lo")]
				_, shown := s.Addresses[prefix(vip.Addr(), "eth0")]
				if hidden != tt.both || shown != (role == lvs.Active && len(c.VRRP[0].VIPs) > 0) {
					t.Errorf("%s: VIP on lo %t, on eth0 %t", role, hidden, shown)
				}
				if s.Silent != tt.silent || c.Sync != nil && (s.Sysctls["net.ipv4.vs.backup_only"].Value == "1") != tt.silent {
					t.Errorf("%s: silent %t, backup_only %v", role, s.Silent, s.Sysctls["net.ipv4.vs.backup_only"])
				}
				if arp := s.Sysctls["net.ipv4.conf.all.arp_ignore"].Value == "1"; arp != tt.both {
					t.Errorf("%s: arp_ignore is set: %t", role, arp)
				}
			}
			if diff := cmp.Diff(tt.hinder, desired.Hindrance(c)); diff != "" {
				t.Errorf("hindrance (-want +got):\n%s", diff)
			}
		})
	}
}
