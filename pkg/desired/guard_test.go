package desired_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// guardText writes what a guard holds, a line for each VIP.
func guardText(g *lvs.Guard) []string {
	var lines []string
	for _, a := range slices.SortedFunc(maps.Keys(g.VIPs), netip.Addr.Compare) {
		v := g.VIPs[a]
		var words []string
		for _, p := range slices.SortedFunc(maps.Keys(v.Ports), lvs.GuardPort.Compare) {
			words = append(words, fmt.Sprintf("%s (%s)", p, v.Ports[p]))
		}
		line := fmt.Sprintf("%s (%s): %s", a, v.Limits, strings.Join(words, ", "))
		if v.Shared {
			line += ", shared"
		}
		lines = append(lines, line)
	}
	return lines
}

func carriedOn(device, prefix string) lvs.Address {
	return lvs.Address{AddressKey: lvs.AddressKey{Interface: device, Prefix: netip.MustParsePrefix(prefix)}}
}

func TestGuardVIPs(t *testing.T) {
	limits := lvs.GuardLimits{SourceSYNs: lvs.Rate{PerSecond: 9, Burst: 9}}
	web := virtual(tcp("192.0.2.1:80"), backend("10.0.0.2", lvs.DR, 1))
	web.Limits = limits
	own := host("10.0.0.1/24", "2001:db8::9/64")
	tests := []struct {
		name   string
		config config.Config
		host   desired.Host
		want   []string
	}{
		{"a service has its limits", config.Config{Virtual: []config.Virtual{web}, Addresses: []lvs.Address{carriedOn("eth0", "192.0.2.1/32")}}, own,
			[]string{"192.0.2.1 (no limit): tcp 80 (9 SYNs/s of one source)"}},
		{"open ports", config.Config{
			Virtual: []config.Virtual{web}, Addresses: []lvs.Address{carriedOn("eth0", "192.0.2.1/32")},
			Guard: &config.Guard{OpenPorts: []config.Port{{Protocol: lvs.TCP, Number: 22}}, Limits: limits},
		}, own, []string{"192.0.2.1 (9 SYNs/s of one source): tcp 22 (9 SYNs/s of one source), tcp 80 (9 SYNs/s of one source)"}},
		{"every port", config.Config{
			Virtual: []config.Virtual{virtual(tcp("192.0.2.1:0"))}, Addresses: []lvs.Address{carriedOn("eth0", "192.0.2.1/32")},
		}, own, []string{"192.0.2.1 (no limit): tcp every port (no limit)"}},
		{"ftp by nat", config.Config{
			Virtual: []config.Virtual{virtual(tcp("192.0.2.1:21"), backend("10.0.0.2", lvs.NAT, 1))}, Addresses: []lvs.Address{carriedOn("eth0", "192.0.2.1/32")},
		}, own, []string{"192.0.2.1 (no limit): tcp every port (no limit), tcp 21 (no limit)"}},
		{"a mark's ports are nobody's to know", config.Config{
			Virtual: []config.Virtual{web, virtual(lvs.MarkKey(1, lvs.IPv4))}, Addresses: []lvs.Address{carriedOn("eth0", "192.0.2.1/32")},
		}, own, []string{"192.0.2.1 (no limit): everything (no limit), tcp 80 (9 SYNs/s of one source)"}},
		{"but a mark of the other family is not asked", config.Config{
			Virtual: []config.Virtual{web, virtual(lvs.MarkKey(1, lvs.IPv6))}, Addresses: []lvs.Address{carriedOn("eth0", "192.0.2.1/32")},
		}, own, []string{"192.0.2.1 (no limit): tcp 80 (9 SYNs/s of one source)"}},
		{"vips without a service", config.Config{
			Addresses: []lvs.Address{carriedOn("eth0", "192.0.2.1/32")},
			VRRP:      []config.VRRP{{Name: "a", VIPs: []lvs.Address{carriedOn("eth1", "2001:db8::1/128")}}},
		}, own, []string{"192.0.2.1 (no limit): everything (no limit)", "2001:db8::1 (no limit): everything (no limit)"}},
		{"the only address of the interface", config.Config{Virtual: []config.Virtual{web}, Addresses: []lvs.Address{carriedOn("eth9", "192.0.2.1/24")}}, own,
			[]string{"192.0.2.1 (no limit): tcp 80 (9 SYNs/s of one source), shared"}},
		{"an address that is the host's", config.Config{Virtual: []config.Virtual{web}}, host("192.0.2.1/24"),
			[]string{"192.0.2.1 (no limit): tcp 80 (9 SYNs/s of one source), shared"}},
		{"one that no host has yet", config.Config{Virtual: []config.Virtual{web}}, own,
			[]string{"192.0.2.1 (no limit): tcp 80 (9 SYNs/s of one source)"}},
		{"masquerading by IPv6", config.Config{
			Masquerade: []netip.Prefix{netip.MustParsePrefix("fd00::/64")},
			Addresses:  []lvs.Address{carriedOn("eth1", "2001:db8::1/128"), carriedOn("eth0", "192.0.2.1/32")},
		}, own, []string{"192.0.2.1 (no limit): everything (no limit)", "2001:db8::1 (no limit): everything (no limit), shared"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.config.Guard == nil {
				tt.config.Guard = &config.Guard{}
			}
			if diff := cmp.Diff(tt.want, guardText(desired.Guard(&tt.config, tt.host, desired.Lists{}))); diff != "" {
				t.Errorf("VIPs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGuardLists(t *testing.T) {
	one := func(s string) lvs.PrefixSet { return lvs.Prefixes(netip.MustParsePrefix(s)) }
	c := &config.Config{
		Guard: &config.Guard{
			Interfaces: []string{"eth0"}, Mode: lvs.GuardGeneric, Enforce: true, Sample: 7,
			Allow: config.List{Prefixes: one("10.0.0.0/24")}, Block: config.List{Prefixes: one("198.51.100.0/24")},
		},
		VRRP: []config.VRRP{{Links: []config.VRRPLink{{Peers: []netip.Addr{netip.MustParseAddr("10.1.0.2")}}}}},
		Sync: &config.Sync{Peers: []netip.Addr{netip.MustParseAddr("10.2.0.2")}},
	}
	in := desired.Input{Lists: desired.Lists{Allow: one("10.9.0.0/16"), Block: one("203.0.113.0/24"), BlockPartial: true}}
	s := desired.Build(c, in)
	if got, want := s.Guard.Allow.String(), "10.0.0.0/24 10.1.0.2/32 10.2.0.2/32 10.9.0.0/16"; got != want {
		t.Errorf("allowed %s, want %s", got, want)
	}
	if got, want := s.Guard.Block.String(), "198.51.100.0/24 203.0.113.0/24"; got != want {
		t.Errorf("blocked %s, want %s", got, want)
	}
	if !s.GuardGrow[lvs.BlockList] || s.GuardGrow[lvs.AllowList] {
		t.Errorf("partial lists %v", s.GuardGrow)
	}
	if got, want := s.Guard.Interfaces["eth0"].Mode, lvs.GuardGeneric; got != want || s.Guard.GuardSettings != (lvs.GuardSettings{Enforce: true, Sample: 7}) {
		t.Errorf("mode %s, settings %s", got, s.Guard.GuardSettings)
	}
	if s := desired.Build(&config.Config{}, in); s.Guard != nil || len(s.GuardGrow) > 0 {
		t.Errorf("without a guard: %v, %v", s.Guard, s.GuardGrow)
	}
}
