package edges

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// Every rule that lvsd can want is written as iptables -S prints it, and can be
// added in the order of a plan: the next plan is empty.
func TestRulesConverge(t *testing.T) {
	address, prefix, endpoint := netip.MustParseAddr, netip.MustParsePrefix, netip.MustParseAddrPort
	peers := []netip.Addr{address("10.9.0.2"), address("10.9.0.3"), address("10.9.0.4")}
	tests := []struct {
		name  string
		rules []lvs.Rule
	}{
		{"masquerade a host", lvs.Masquerade(prefix("10.0.0.1/32"))},
		{"masquerade half of all", lvs.Masquerade(prefix("128.0.0.0/1"))},
		{"masquerade ipv6", lvs.Masquerade(prefix("2001:db8:0:1::/64"))},
		{"masquerade an ipv6 host with one zero", lvs.Masquerade(prefix("2001:db8:0:1:1:1:1:1/128"))},
		{"masquerade ipv4 in ipv6", lvs.Masquerade(prefix("64:ff9b::10.0.0.0/104"))},
		{"snat ipv6 sctp", lvs.SNAT("web", lvs.AddrKey(lvs.SCTP, endpoint("[fd00::1]:80")))},
		{"snat every port", lvs.SNAT("web", lvs.AddrKey(lvs.UDP, endpoint("10.0.0.1:0")))},
		{"snat of the last port", lvs.SNAT("web.a_b-c", lvs.AddrKey(lvs.TCP, endpoint("10.0.0.1:65535")))},
		{"sync with several peers and ports", lvs.SyncRules("eth1", endpoint("224.0.0.81:8848"), 2, 8864, peers)},
		{"sync over a vlan", lvs.SyncRules("eth0.100", endpoint("[ff05::81]:8848"), 1, 0, []netip.Addr{address("fd00::2")})},
	}
	variant(t)
	f := firewall.New()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := map[lvs.Rule]int{}
			for _, r := range tt.rules {
				want[r] = 1
			}
			apply(t, f, want, nil)
			have, err := f.Rules(firewall.Tables(want))
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range diff(want, have) {
				t.Errorf("left to do: %s", op)
			}
			apply(t, f, nil, have)
			for _, table := range firewall.Tables(want) {
				if left := run(t, toolOf(table.Family)+" -t "+table.Name+" -S"); strings.Contains(left, lvs.ChainPrefix) {
					t.Errorf("left over in %s:\n%s", table.Name, left)
				}
			}
		})
	}
}

func diff(want, have map[lvs.Rule]int) []plan.Op {
	return plan.Diff(lvs.State{Rules: want}, lvs.State{Rules: have}, plan.Owned{})
}

func apply(t *testing.T, f *firewall.Firewall, want, have map[lvs.Rule]int) {
	t.Helper()
	for _, op := range diff(want, have) {
		r := op.(plan.Rule)
		do := f.Add
		if r.Verb == lvs.Delete {
			do = f.Delete
		}
		if err := do(r.Rule); err != nil {
			t.Error(err)
		}
	}
}

func toolOf(f lvs.Family) string {
	if f == lvs.IPv6 {
		return "ip6tables"
	}
	return "iptables"
}
