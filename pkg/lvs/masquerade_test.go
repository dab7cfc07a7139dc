package lvs_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestMasquerade(t *testing.T) {
	tests := []struct {
		name   string
		prefix string
		want   []string
	}{
		{"ipv4", "192.168.188.0/24", []string{
			`iptables -t nat -A LVSD-POSTROUTING -s 192.168.188.0/24 ! -d 192.168.188.0/24 -m addrtype ! --src-type LOCAL -m comment --comment "lvsd: masquerade" -j MASQUERADE`,
			`iptables -t nat -A POSTROUTING -j LVSD-POSTROUTING`,
		}},
		{"host bits are dropped, as the kernel does", "192.168.188.7/24", []string{
			`iptables -t nat -A LVSD-POSTROUTING -s 192.168.188.0/24 ! -d 192.168.188.0/24 -m addrtype ! --src-type LOCAL -m comment --comment "lvsd: masquerade" -j MASQUERADE`,
			`iptables -t nat -A POSTROUTING -j LVSD-POSTROUTING`,
		}},
		{"ipv6", "fd00:1::/64", []string{
			`ip6tables -t nat -A LVSD-POSTROUTING -s fd00:1::/64 ! -d fd00:1::/64 -m addrtype ! --src-type LOCAL -m comment --comment "lvsd: masquerade" -j MASQUERADE`,
			`ip6tables -t nat -A POSTROUTING -j LVSD-POSTROUTING`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := text(lvs.Masquerade(netip.MustParsePrefix(tt.prefix)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSNAT(t *testing.T) {
	tests := []struct {
		name string
		key  lvs.ServiceKey
		want string
	}{
		{"ipv4", addr(lvs.TCP, "192.0.2.1:80"),
			`iptables -t nat -A LVSD-POSTROUTING -m ipvs --vproto 6 --vaddr 192.0.2.1 --vport 80 --vmethod MASQ -m comment --comment "lvsd: virtual web" -j MASQUERADE`},
		{"ipv6", addr(lvs.UDP, "[2001:db8::1]:53"),
			`ip6tables -t nat -A LVSD-POSTROUTING -m ipvs --vproto 17 --vaddr 2001:db8::1 --vport 53 --vmethod MASQ -m comment --comment "lvsd: virtual web" -j MASQUERADE`},
		{"every port", addr(lvs.SCTP, "192.0.2.1:0"),
			`iptables -t nat -A LVSD-POSTROUTING -m ipvs --vproto 132 --vaddr 192.0.2.1 --vmethod MASQ -m comment --comment "lvsd: virtual web" -j MASQUERADE`},
		{"mark", lvs.MarkKey(17, lvs.IPv6),
			`ip6tables -t nat -A LVSD-POSTROUTING -m ipvs --vmethod MASQ -m mark --mark 0x11 -m comment --comment "lvsd: virtual web" -j MASQUERADE`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := text(lvs.SNAT("web", tt.key))
			if diff := cmp.Diff(tt.want, got[0]); diff != "" {
				t.Errorf("rule (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSNATQuotesTheName(t *testing.T) {
	tests := []struct {
		name    string
		virtual string
		want    string
	}{
		{"quotes and backslash", `a"b\c'd`, `"lvsd: virtual a\"b\\c\'d"`},
		{"control characters", "a\nb\x00c\x7f", `"lvsd: virtual a?b?c?"`},
		{"not UTF-8", "a\xff", `"lvsd: virtual a?"`},
		{"too long", strings.Repeat("x", 300), `"lvsd: virtual ` + strings.Repeat("x", 241) + `"`},
		{"too long, cut between characters", strings.Repeat("é", 300), `"lvsd: virtual ` + strings.Repeat("é", 120) + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got, _ := strings.Cut(lvs.SNAT(tt.virtual, lvs.MarkKey(1, lvs.IPv4))[0].Spec, "--comment ")
			got = strings.TrimSuffix(got, " -j MASQUERADE")
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func addr(p lvs.Protocol, vip string) lvs.ServiceKey {
	return lvs.AddrKey(p, netip.MustParseAddrPort(vip))
}

func text(rules []lvs.Rule) []string {
	var lines []string
	for _, r := range rules {
		lines = append(lines, r.String())
	}
	return lines
}
