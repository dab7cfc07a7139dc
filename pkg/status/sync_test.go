package status_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// What a host holds is what its real servers hold, of all services.
func TestCount(t *testing.T) {
	server := func(active, inactive, templates uint32) map[netip.AddrPort]lvs.ServerStats {
		return map[netip.AddrPort]lvs.ServerStats{{}: {Active: active, Inactive: inactive, Persistent: templates}}
	}
	got := status.Count(map[lvs.ServiceKey]lvs.ServiceStats{
		lvs.MarkKey(1, lvs.IPv4): {Servers: server(1, 20, 300)},
		lvs.MarkKey(2, lvs.IPv4): {Servers: server(4, 50, 600)},
	})
	if want := (status.Connections{Connections: 75, Templates: 900}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A director that is a real server of a VIP that it shares is told what is missing
// for that.
func TestBothWarnings(t *testing.T) {
	key := func(prefix string) lvs.AddressKey {
		return lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix(prefix)}
	}
	host := map[lvs.AddressKey]lvs.Address{key("10.0.0.1/24"): {}}
	c := &config.Config{
		VRRP: []config.VRRP{{Name: "front", VIPs: []lvs.Address{{AddressKey: key("192.0.2.1/32")}}}},
		Virtual: []config.Virtual{{
			Name: "web", Keys: []lvs.ServiceKey{lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))},
			Real: []config.Real{{Address: netip.MustParseAddr("10.0.0.1"), Forwarding: lvs.DR}},
		}},
	}
	want := "virtual web: this director is one of its real servers, and without a table [sync] a standby sends"
	if got := status.Warnings(c, host); len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("got %q, want %s…", got, want)
	}
	c.Sync = &config.Sync{Mode: config.SyncFollow}
	if got := status.Warnings(c, host); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
