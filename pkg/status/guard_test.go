package status_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/lvsd/lvsd/pkg/guard"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// A few SYNs are lost everywhere; a tenth of them is a sign.
func TestGuardSYNsTell(t *testing.T) {
	tests := []struct {
		name string
		syns *status.GuardSYNs
		want bool
	}{
		{"none known", nil, false},
		{"none", &status.GuardSYNs{}, false},
		{"too few to tell", &status.GuardSYNs{SYNs: 4, Repeated: 2}, false},
		{"a tenth", &status.GuardSYNs{SYNs: 30, Repeated: 3}, true},
		{"less", &status.GuardSYNs{SYNs: 31, Repeated: 3}, false},
	}
	for _, tt := range tests {
		if got := tt.syns.Telling(); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestExplainGuard(t *testing.T) {
	vip := netip.MustParseAddr("192.0.2.1")
	one := netip.MustParsePrefix("198.51.100.0/24")
	two := netip.MustParsePrefix("203.0.113.0/24")
	want := &lvs.Guard{
		Allow: lvs.Prefixes(netip.MustParsePrefix("10.0.0.0/8")), Block: lvs.Prefixes(one, two),
		VIPs: map[netip.Addr]lvs.GuardVIP{vip: {Ports: map[lvs.GuardPort]lvs.GuardLimits{{Protocol: lvs.TCP, Port: 80}: {}}}},
	}
	blocks := []guard.Block{{Prefix: two, By: "root (anna)"}}
	tests := []struct {
		source string
		target string
		reason lvs.GuardReason
		want   string
	}{
		{"10.1.2.3:4", "192.0.2.1:80", lvs.GuardAllowed, "10.0.0.0/8 is on the allow list"},
		{"198.51.100.7:4", "192.0.2.1:80", lvs.GuardBlocked, "198.51.100.0/24 is on the block list"},
		{"203.0.113.7:4", "192.0.2.1:80", lvs.GuardBlocked, "203.0.113.0/24 is blocked by command of root (anna)"},
		{"8.8.8.8:4", "192.0.2.1:80", lvs.GuardBlocked, "block list"},
		{"8.8.8.8:4", "192.0.2.1:81", lvs.GuardUndeclared, "no service of 192.0.2.1 has tcp 81; it has tcp 80"},
		{"8.8.8.8:4", "192.0.2.9:80", lvs.GuardNotVIP, "192.0.2.9 is no VIP, the guard does not look at it"},
		{"8.8.8.8:4", "192.0.2.1:80", lvs.GuardPassed, "no rule speaks against it, and no limit is reached"},
		{"127.0.0.1:4", "192.0.2.1:80", lvs.GuardBadSource, "invalid source"},
	}
	for _, tt := range tests {
		probe := status.GuardProbe{Protocol: lvs.TCP, Source: netip.MustParseAddrPort(tt.source), Target: netip.MustParseAddrPort(tt.target)}
		got := status.ExplainGuard("a packet", lvs.GuardVerdict{Reason: tt.reason, Dropped: tt.reason.Drops()}, probe, want, blocks)
		if got.Rule != tt.want || got.Drops != tt.reason.Drops() {
			t.Errorf("%s to %s: %q, drops %t; want %q", tt.source, tt.target, got.Rule, got.Drops, tt.want)
		}
	}
}

// What the guard does not do is part of the verdict on the whole.
func TestGuardInTheVerdict(t *testing.T) {
	s := status.Status{}
	s.SetGuard(&lvs.Guard{Interfaces: map[string]lvs.GuardLink{"eth0": {}}}, nil, lvs.GuardCounters{}, nil, nil)
	if v := status.Judge(s); !slices.Contains(v.Reasons, "the guard is not loaded") {
		t.Errorf("not loaded: %q", v.Reasons)
	}
	s.SetGuard(&lvs.Guard{Interfaces: map[string]lvs.GuardLink{"eth0": {}}}, &lvs.Guard{}, lvs.GuardCounters{}, nil, errors.New("list"))
	if v := status.Judge(s); !slices.Contains(v.Reasons, "the guard is not attached to eth0") || !slices.Contains(v.Reasons, "guard: list") {
		t.Errorf("not attached: %q", v.Reasons)
	}
}
