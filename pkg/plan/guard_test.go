package plan_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

func networks(texts ...string) lvs.PrefixSet {
	var b lvs.PrefixSetBuilder
	for _, s := range texts {
		b.Add(netip.MustParsePrefix(s))
	}
	return b.Set()
}

func TestDiffGuard(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.1")
	http := lvs.GuardPort{Protocol: lvs.TCP, Port: 80}
	https := lvs.GuardPort{Protocol: lvs.TCP, Port: 443}
	limits := lvs.GuardLimits{SourceSYNs: lvs.Rate{PerSecond: 20, Burst: 60}}
	guard := func(change func(*lvs.Guard)) lvs.State {
		g := &lvs.Guard{
			Interfaces:    map[string]lvs.GuardLink{"eth0": {Mode: lvs.GuardAuto}},
			VIPs:          map[netip.Addr]lvs.GuardVIP{addr: {Ports: map[lvs.GuardPort]lvs.GuardLimits{http: {}}}},
			Block:         networks("198.51.100.0/24"),
			GuardSettings: lvs.GuardSettings{Enforce: true, Sample: 100},
		}
		if change != nil {
			change(g)
		}
		return lvs.State{Guard: g}
	}
	running := func(change func(*lvs.Guard)) lvs.State {
		s := guard(func(g *lvs.Guard) { g.Interfaces = map[string]lvs.GuardLink{"eth0": {Mode: lvs.GuardDriver}} })
		if change != nil {
			change(s.Guard)
		}
		return s
	}
	tests := []struct {
		name       string
		want, have lvs.State
		ops        []string
	}{
		{name: "nothing to do", want: guard(nil), have: running(nil)},
		{
			name: "a new one is attached when all is in it",
			want: guard(nil),
			ops: []string{
				"load guard",
				"set guard to enforce, 100 samples/s",
				"change guard's block list: add 198.51.100.0/24",
				"guard 192.0.2.1: open tcp 80",
				"attach guard to eth0 (mode auto)",
			},
		},
		{
			name: "one that is not wanted goes last",
			have: running(nil),
			want: lvs.State{Addresses: map[lvs.AddressKey]lvs.Address{vip: {AddressKey: vip}}},
			ops:  []string{"add address 192.0.2.1/32 on eth0", "detach guard from eth0", "remove guard"},
		},
		{
			name: "ports and limits",
			want: guard(func(g *lvs.Guard) {
				g.VIPs[addr] = lvs.GuardVIP{Shared: true, Limits: limits, Ports: map[lvs.GuardPort]lvs.GuardLimits{http: limits, https: {}}}
			}),
			have: running(func(g *lvs.Guard) { g.VIPs[addr].Ports[lvs.GuardPort{Protocol: lvs.UDP}] = lvs.GuardLimits{} }),
			ops: []string{"guard 192.0.2.1: limit tcp 80 to 20 SYNs/s of one source burst 60, open tcp 443, close udp every port, " +
				"limit what has no port to 20 SYNs/s of one source burst 60, pass answers to the director itself"},
		},
		{
			name: "a new VIP comes under guard before its address, an old one after",
			want: lvs.State{
				Guard:     guard(nil).Guard,
				Addresses: map[lvs.AddressKey]lvs.Address{vip: {AddressKey: vip}},
			},
			have: running(func(g *lvs.Guard) {
				g.VIPs = map[netip.Addr]lvs.GuardVIP{netip.MustParseAddr("192.0.2.2"): {}}
			}),
			ops: []string{"guard 192.0.2.1: open tcp 80", "add address 192.0.2.1/32 on eth0", "guard 192.0.2.2 no more"},
		},
		{
			name: "lists",
			want: guard(func(g *lvs.Guard) {
				g.Block = networks("1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8", "4.0.0.0/8", "5.0.0.0/8")
			}),
			have: running(nil),
			ops:  []string{"change guard's block list: add 5 prefixes, delete 198.51.100.0/24"},
		},
		{
			name: "nothing is taken off a list of which not all is known",
			want: func() lvs.State {
				s := guard(func(g *lvs.Guard) { g.Block, g.Allow = networks("1.0.0.0/8"), networks("2.0.0.0/8") })
				s.GuardGrow = map[lvs.GuardList]bool{lvs.BlockList: true}
				return s
			}(),
			have: running(func(g *lvs.Guard) { g.Allow = networks("3.0.0.0/8") }),
			ops:  []string{"change guard's allow list: add 2.0.0.0/8, delete 3.0.0.0/8", "change guard's block list: add 1.0.0.0/8"},
		},
		{
			name: "interfaces",
			want: guard(func(g *lvs.Guard) {
				g.Interfaces = map[string]lvs.GuardLink{"eth0": {Mode: lvs.GuardGeneric}, "eth1": {}, "eth2": {}}
			}),
			have: running(func(g *lvs.Guard) {
				g.Interfaces["eth1"] = lvs.GuardLink{Mode: lvs.GuardDriver, Outdated: true}
				g.Interfaces["eth3"] = lvs.GuardLink{Mode: lvs.GuardDriver}
			}),
			ops: []string{
				"attach guard to eth0 anew (mode generic, was driver)", "replace guard's program on eth1", "attach guard to eth2 (mode auto)",
				"detach guard from eth3",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, op := range plan.Diff(tt.want, tt.have, plan.Owned{}) {
				got = append(got, op.String())
			}
			if diff := cmp.Diff(tt.ops, got); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
		})
	}
}
