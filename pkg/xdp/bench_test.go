package xdp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// million is a list as long as they get: networks of many lengths, none of
// which has client4.
func million() lvs.PrefixSet {
	random := rand.New(rand.NewPCG(7, 7))
	var b lvs.PrefixSetBuilder
	for range 1_000_000 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], random.Uint32())
		if a[0] == 198 || a[0] == 10 {
			a[0] = 77
		}
		bits := 32
		if random.IntN(4) == 0 {
			bits = 20 + random.IntN(12)
		}
		b.Add(netip.PrefixFrom(netip.AddrFrom4(a), bits))
	}
	return b.Set()
}

// perPacket gives what the program takes for a frame, without the system call
// around it: the least of all rounds, because whatever else the machine does only
// adds to it.
func perPacket(b *testing.B, p *ebpf.Program, f frame) {
	b.Helper()
	const repeat = 100_000
	data := f.bytes()
	least := time.Hour
	for b.Loop() {
		_, each, err := p.Benchmark(data, repeat, nil)
		if err != nil {
			b.Fatal(err)
		}
		least = min(least, each)
	}
	b.ReportMetric(float64(least.Nanoseconds()), "ns/packet")
	b.ReportMetric(0, "ns/op")
}

func benchGuard(b testing.TB) *Guard {
	b.Helper()
	g, err := Open(dir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := g.Remove(); err != nil {
			b.Error(err)
		}
	})
	many := lvs.Rate{PerSecond: 1_000_000_000, Burst: 1_000_000_000}
	open := lvs.GuardLimits{SourceSYNs: many, SourcePackets: many, SYNs: many, Packets: many, Fragments: many}
	few := lvs.GuardLimits{SourceSYNs: lvs.Rate{PerSecond: 10, Burst: 10}}
	apply(b, g,
		lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true}},
		addVIP(vip4, lvs.GuardVIP{Ports: map[lvs.GuardPort]lvs.GuardLimits{web: open, dns: {}, {Protocol: lvs.TCP, Port: 443}: few}}),
		addVIP(vip6, lvs.GuardVIP{Ports: map[lvs.GuardPort]lvs.GuardLimits{web: open, dns: {}}}),
		lvs.GuardPrefixes{List: lvs.AllowList, Prefixes: prefixes("10.1.0.0/16", "10.3.0.0/24")})
	return g
}

// BenchmarkPacket is the cost of one packet by the rule that decides over it,
// beside a program that does nothing.
func BenchmarkPacket(b *testing.B) {
	g := benchGuard(b)
	empty := theirProgram(b, "empty")
	b.Run("empty-program", func(b *testing.B) { perPacket(b, empty, syn4()) })
	cases := func(b *testing.B) {
		b.Run("not-a-vip", func(b *testing.B) {
			perPacket(b, g.objects.Guard, with(syn4(), func(f *frame) { f.target = "192.0.2.99" }))
		})
		b.Run("allow", func(b *testing.B) { perPacket(b, g.objects.Guard, from(syn4(), "10.1.2.3")) })
		b.Run("closed-port", func(b *testing.B) { perPacket(b, g.objects.Guard, segment(syn4(), 1, 81, flagSYN)) })
		b.Run("syn-passes", func(b *testing.B) { perPacket(b, g.objects.Guard, syn4()) })
		b.Run("syn-passes-ipv6", func(b *testing.B) { perPacket(b, g.objects.Guard, syn6()) })
		b.Run("data-passes", func(b *testing.B) { perPacket(b, g.objects.Guard, segment(syn4(), 40000, 80, flagACK)) })
		b.Run("syn-limit", func(b *testing.B) { perPacket(b, g.objects.Guard, segment(syn4(), 40000, 443, flagSYN)) })
	}
	b.Run("no-list", cases)
	list := million()
	begin := time.Now()
	apply(b, g, lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: list})
	b.Logf("a list of %d prefixes was written in %s", list.Len(), time.Since(begin).Round(time.Millisecond))
	b.Run("million-blocked", func(b *testing.B) {
		var host netip.Prefix
		for p := range list.All() {
			if p.Bits() == 32 {
				host = p
			}
		}
		b.Run("block", func(b *testing.B) { perPacket(b, g.objects.Guard, from(syn4(), host.Addr().String())) })
		cases(b)
	})
}

// BenchmarkLook is what a look at a small guard takes: of everybody who watches the
// director, once a second.
func BenchmarkLook(b *testing.B) {
	g := benchGuard(b)
	for b.Loop() {
		if _, err := g.Observe(lvs.Guard{}); err != nil {
			b.Fatal(err)
		}
		if _, err := g.Counters(); err != nil {
			b.Fatal(err)
		}
	}
}
