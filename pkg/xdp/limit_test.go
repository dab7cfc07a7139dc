package xdp

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// receive sends a frame through the program as if it had come, and tells whether
// it passed.
func receive(t testing.TB, g *Guard, f frame) bool {
	t.Helper()
	verdict, err := g.objects.Guard.Run(&ebpf.RunOptions{Data: f.bytes()})
	if err != nil {
		t.Fatal(err)
	}
	return verdict != xdpDrop
}

// passes counts how many of n equal frames pass.
func passes(t *testing.T, g *Guard, n int, f frame) int {
	t.Helper()
	passed := 0
	for range n {
		if receive(t, g, f) {
			passed++
		}
	}
	return passed
}

func limited(l lvs.GuardLimits) lvs.GuardVIP {
	return lvs.GuardVIP{Limits: l, Ports: map[lvs.GuardPort]lvs.GuardLimits{web: l, dns: {}}}
}

func TestLimits(t *testing.T) {
	three := lvs.Rate{PerSecond: 10, Burst: 3}
	data := segment(syn4(), 40000, 80, flagACK)
	other := from(syn4(), "198.51.100.77")
	part := with(carrying(syn4(), 17, make([]byte, 8)), func(f *frame) { f.fragment = 0x2010 })
	const ms = 1_000_000
	tests := []struct {
		name   string
		limits lvs.GuardLimits
		steps  []step
	}{
		{"syns of one source", lvs.GuardLimits{SourceSYNs: three}, []step{{0, syn4(), 3}, {0, data, 10}, {0, other, 3}, {99 * ms, syn4(), 0}, {100 * ms, syn4(), 1}, {5000 * ms, syn4(), 3}}},
		{"packets of one source", lvs.GuardLimits{SourcePackets: three}, []step{{0, syn4(), 3}, {0, data, 0}, {0, other, 3}, {200 * ms, data, 2}}},
		{"syns", lvs.GuardLimits{SYNs: three}, []step{{0, syn4(), 3}, {0, other, 0}, {0, data, 10}, {100 * ms, other, 1}}},
		{"packets", lvs.GuardLimits{Packets: three}, []step{{0, data, 3}, {0, other, 0}, {0, carrying(syn4(), 17, udpHeader(1, 53, 0)), 10}, {300 * ms, other, 3}}},
		{"fragments", lvs.GuardLimits{Fragments: three}, []step{{0, part, 3}, {0, data, 10}, {0, from(part, other.source), 0}, {100 * ms, part, 1}}},
		{"echo requests", lvs.GuardLimits{Packets: three}, []step{{0, carrying(syn4(), 1, icmpHeader(8, nil)), 3}, {0, data, 3}}},
		{"a source over its limit uses up no other", lvs.GuardLimits{SourceSYNs: lvs.Rate{PerSecond: 1, Burst: 1}, SYNs: three}, []step{{0, syn4(), 1}, {0, other, 1}, {0, from(syn4(), "198.51.100.78"), 1}, {0, from(syn4(), "198.51.100.79"), 0}}},
		{"no limit", lvs.GuardLimits{}, []step{{0, syn4(), 10}, {0, part, 10}}},
		{"no burst is one", lvs.GuardLimits{SYNs: lvs.Rate{PerSecond: 1}}, []step{{0, syn4(), 1}, {1000 * ms, syn4(), 1}}},
	}
	g := newGuard(t)
	apply(t, g, lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			apply(t, g, addVIP(vip4, limited(tt.limits)))
			defer apply(t, g, lvs.GuardVIPChange{Verb: lvs.Delete, Addr: netip.MustParseAddr(vip4)})
			for i, s := range tt.steps {
				g.at(t, s.at)
				if got := passes(t, g, 10, s.f); got != s.want {
					t.Errorf("step %d: %d of 10 pass, want %d", i, got, s.want)
				}
			}
		})
	}
}

// step is ten packets at a time, of which so many pass.
type step struct {
	at   uint64
	f    frame
	want int
}

// TestLimitsOfNeighbours: the addresses of an IPv6 /64 are one source.
func TestLimitsOfNeighbours(t *testing.T) {
	g := newGuard(t)
	apply(t, g, lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true}},
		addVIP(vip6, limited(lvs.GuardLimits{SourceSYNs: lvs.Rate{PerSecond: 1, Burst: 2}})))
	for i, source := range []string{"2001:db8:7::1", "2001:db8:7::2", "2001:db8:7::3", "2001:db8:7:1::1"} {
		if got, want := receive(t, g, from(syn6(), source)), i != 2; got != want {
			t.Errorf("%s passes: %t, want %t", source, got, want)
		}
	}
}

// TestLimitsChange: new limits count at once, and ports that stay keep their
// buckets.
func TestLimitsChange(t *testing.T) {
	g := newGuard(t)
	apply(t, g, lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true}},
		addVIP(vip4, limited(lvs.GuardLimits{SYNs: lvs.Rate{PerSecond: 1, Burst: 3}})))
	if got := passes(t, g, 10, syn4()); got != 3 {
		t.Errorf("%d pass", got)
	}
	set := addVIP(vip4, limited(lvs.GuardLimits{SYNs: lvs.Rate{PerSecond: 1, Burst: 5}})).(lvs.GuardVIPChange)
	set.Verb = lvs.Set
	apply(t, g, set)
	if got := passes(t, g, 10, syn4()); got != 2 {
		t.Errorf("after a larger burst %d pass, want 2", got)
	}
}

func TestCounters(t *testing.T) {
	g := newGuard(t)
	apply(t, g, lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true}}, addVIP(vip4, limited(lvs.GuardLimits{})), addVIP(vip6, limited(lvs.GuardLimits{})))
	passes(t, g, 5, syn4())
	passes(t, g, 7, segment(syn6(), 1, 81, flagSYN))
	apply(t, g, lvs.GuardSet{})
	passes(t, g, 2, segment(syn6(), 1, 81, flagSYN))
	a4, a6 := netip.MustParseAddr(vip4), netip.MustParseAddr(vip6)
	want := lvs.GuardCounters{
		Packets: []lvs.GuardCount{{VIP: a4, Reason: lvs.GuardPassed, Passed: 5}, {VIP: a6, Reason: lvs.GuardUndeclared, Passed: 2, Dropped: 7}},
		Bytes:   []lvs.GuardBytes{{VIP: a4, Passed: 5 * 54}, {VIP: a6, Passed: 2 * 74, Dropped: 7 * 74}},
	}
	got, err := g.Counters()
	if diff := cmp.Diff(want, got, asValues); err != nil || diff != "" {
		t.Errorf("counters, %v (-want +got):\n%s", err, diff)
	}
	apply(t, g, lvs.GuardVIPChange{Verb: lvs.Delete, Addr: a4}, addVIP("192.0.2.50", limited(lvs.GuardLimits{})))
	if got, err := g.Counters(); err != nil || len(got.Bytes) != 2 || got.Bytes[0].Passed != 0 {
		t.Errorf("a new VIP begins with %+v, %v", got, err)
	}
}

func TestTalkers(t *testing.T) {
	g := newGuard(t)
	apply(t, g, lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true}}, addVIP(vip4, limited(lvs.GuardLimits{})), addVIP(vip6, limited(lvs.GuardLimits{})))
	passes(t, g, 5, syn4())
	passes(t, g, 4, carrying(syn4(), 17, udpHeader(1, 53, 0)))
	passes(t, g, 2, segment(syn4(), 1, 81, flagSYN))
	passes(t, g, 3, from(syn6(), "2001:db8:7::9"))
	passes(t, g, 3, syn6())
	a4, a6 := netip.MustParseAddr(vip4), netip.MustParseAddr(vip6)
	s4, s6 := netip.MustParsePrefix("198.51.100.7/32"), netip.MustParsePrefix("2001:db8:7::/64")
	got, err := g.Talkers(10)
	if err != nil || len(got) != 2 {
		t.Fatalf("talkers: %v, %v", got, err)
	}
	// Whether a drop counts is drawn, as long as its source is not known.
	if d := got[0].Dropped; d > 2 || got[0].SYNs != 5+d {
		t.Errorf("dropped %d", d)
	}
	want := []lvs.GuardTalker{
		{VIP: a4, Source: s4, Packets: 9 + got[0].Dropped, Bytes: 5*54 + 4*42 + 54*got[0].Dropped, SYNs: 5 + got[0].Dropped, Dropped: got[0].Dropped},
		{VIP: a6, Source: s6, Packets: 6, Bytes: 6 * 74, SYNs: 6},
	}
	if diff := cmp.Diff(want, got, asValues); diff != "" {
		t.Errorf("talkers (-want +got):\n%s", diff)
	}
	// One in 64 is drawn: 5000 misses in a row do not happen.
	passes(t, g, 5000, from(segment(syn4(), 1, 81, flagSYN), "198.51.100.99"))
	if got, err = g.Talkers(1); err != nil || len(got) != 1 || got[0].Dropped == 0 {
		t.Errorf("a flood to a closed port: %v, %v", got, err)
	}
	apply(t, g, lvs.GuardVIPChange{Verb: lvs.Delete, Addr: a4}, addVIP("192.0.2.50", limited(lvs.GuardLimits{})))
	if got, err = g.Talkers(10); err != nil || len(got) != 1 || got[0].VIP != a6 {
		t.Errorf("a new VIP begins with talkers: %v, %v", got, err)
	}
}

func TestRetransmissions(t *testing.T) {
	g := newGuard(t)
	apply(t, g, addVIP(vip4, limited(lvs.GuardLimits{})))
	again := syn4()
	next := carrying(syn4(), 6, edit(tcpHeader(40000, 80, flagSYN), 7, 99))
	for _, f := range []frame{again, from(again, "198.51.100.78"), segment(again, 40001, 80, flagSYN), again, again, next, segment(again, 40000, 80, flagACK)} {
		receive(t, g, f)
	}
	want := []lvs.GuardSYNCount{
		{VIP: netip.MustParseAddr(vip4), Port: web, SYNs: 6, Again: 2},
		{VIP: netip.MustParseAddr(vip4), Port: dns},
	}
	got, err := g.Retransmissions()
	if diff := cmp.Diff(want, got, asValues); err != nil || diff != "" {
		t.Errorf("retransmissions, %v (-want +got):\n%s", err, diff)
	}
}

func TestSamples(t *testing.T) {
	defer goleak.VerifyNone(t)
	g := newGuard(t)
	apply(t, g, lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true, Sample: 1}}, addVIP(vip4, limited(lvs.GuardLimits{})))
	f := segment(syn4(), 1, 81, flagSYN)
	f.payload = append(f.payload, make([]byte, 100)...)
	begin := time.Now()
	if passes(t, g, 10, f) != 0 { // but a second has room for one sample
		t.Error("a packet to a closed port passes")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var got []lvs.GuardSample
	err := g.Samples(ctx, func(s lvs.GuardSample) {
		got = append(got, s)
		cancel()
	})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d samples, %v", len(got), err)
	}
	if d := got[0].Time.Sub(begin); d < -time.Second || d > time.Minute {
		t.Errorf("its time is %s, after %s", got[0].Time, begin)
	}
	got[0].Time = time.Time{}
	want := lvs.GuardSample{Interface: got[0].Interface, Reason: lvs.GuardUndeclared, Dropped: true, Length: 154, Head: f.bytes()[:128]}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("sample (-want +got):\n%s", diff)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := g.Samples(ended, nil); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

// TestSampleHeads: a short frame's head is the whole of it.
func TestSampleHeads(t *testing.T) {
	g := newGuard(t)
	apply(t, g, lvs.GuardSet{Settings: lvs.GuardSettings{Sample: 1_000_000_000}}, addVIP(vip4, limited(lvs.GuardLimits{})))
	var sent [][]byte
	for n := range 110 {
		f := segment(syn4(), 1, 81, flagSYN)
		f.payload = append(f.payload, make([]byte, n)...)
		b := f.bytes()
		for i := 54; i < len(b); i++ {
			b[i] = byte(i)
		}
		if _, err := g.objects.Guard.Run(&ebpf.RunOptions{Data: b}); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, b[:min(len(b), 128)])
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got [][]byte
	err := g.Samples(ctx, func(s lvs.GuardSample) {
		if got = append(got, s.Head); len(got) == len(sent) {
			cancel()
		}
	})
	if diff := cmp.Diff(sent, got); err != nil || diff != "" {
		t.Errorf("heads, %v (-want +got):\n%s", err, diff)
	}
}
