package xdp

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/xdp/xdptest"
)

var asValues = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
	cmp.Comparer(lvs.PrefixSet.Equal),
}

// holder is what takes changes: the kernel's guard and the fake.
type holder interface {
	Observe(lvs.Guard) (lvs.Guard, error)
	Apply(lvs.GuardChange) error
}

// both runs a test on the kernel and on the fake.
func both(t *testing.T, test func(t *testing.T, h holder)) {
	t.Run("kernel", func(t *testing.T) { test(t, newGuard(t)) })
	t.Run("fake", func(t *testing.T) { test(t, xdptest.New()) })
}

func checkState(t *testing.T, h holder, want lvs.Guard) {
	t.Helper()
	got, err := h.Observe(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, asValues); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func applyTo(t *testing.T, h holder, changes ...lvs.GuardChange) {
	t.Helper()
	for _, c := range changes {
		if err := h.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
}

// someVIP has a value in every field.
func someVIP() lvs.GuardVIP {
	all := lvs.GuardLimits{
		SourceSYNs:    lvs.Rate{PerSecond: 7, Burst: 1},
		SourcePackets: lvs.Rate{PerSecond: 1_000_000_000, Burst: 4_000_000_000},
		SYNs:          lvs.Rate{PerSecond: 4_000_000_000, Burst: 2},
		Packets:       lvs.Rate{PerSecond: 333, Burst: 666},
		Fragments:     lvs.Rate{PerSecond: 1},
	}
	return lvs.GuardVIP{Shared: true, Limits: all, Ports: map[lvs.GuardPort]lvs.GuardLimits{
		web: all, dns: {}, {Protocol: lvs.UDP}: {}, {}: {Packets: lvs.Rate{PerSecond: 9, Burst: 9}},
	}}
}

func empty() lvs.Guard {
	return lvs.Guard{Interfaces: map[string]lvs.GuardLink{}, VIPs: map[netip.Addr]lvs.GuardVIP{}}
}

func TestChanges(t *testing.T) {
	both(t, func(t *testing.T, h holder) {
		want := empty()
		checkState(t, h, want)
		want.GuardSettings = lvs.GuardSettings{Enforce: true, Sample: 77}
		applyTo(t, h, lvs.GuardSet{Settings: want.GuardSettings})
		for _, addr := range []string{vip4, vip6} {
			want.VIPs[netip.MustParseAddr(addr)] = someVIP()
			applyTo(t, h, addVIP(addr, someVIP()))
		}
		want.Allow, want.Block = prefixes("10.0.0.0/8", "2001:db8::/32"), prefixes("10.1.0.0/16", "0.0.0.0/0", "::1/128")
		applyTo(t, h,
			lvs.GuardPrefixes{List: lvs.AllowList, Prefixes: want.Allow},
			lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: want.Block})
		checkState(t, h, want)

		changed := lvs.GuardVIP{Ports: ports(web, sig)}
		want.VIPs[netip.MustParseAddr(vip4)] = changed
		applyTo(t, h, lvs.GuardVIPChange{Verb: lvs.Set, Addr: netip.MustParseAddr(vip4), VIP: changed})
		want.Block = prefixes("10.2.0.0/16", "::1/128")
		applyTo(t, h, lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: want.Block})
		checkState(t, h, want)

		for range 2 { // what is not there is deleted already
			applyTo(t, h, lvs.GuardVIPChange{Verb: lvs.Delete, Addr: netip.MustParseAddr(vip4)})
			applyTo(t, h, lvs.GuardAttach{Verb: lvs.Delete, Interface: "nobody"})
		}
		delete(want.VIPs, netip.MustParseAddr(vip4))
		checkState(t, h, want)
	})
}

// TestAdopt: who opens the directory again finds what was there, also a list
// that it did not expect.
func TestAdopt(t *testing.T) {
	at := dir()
	first, err := Open(at)
	if err != nil {
		t.Fatal(err)
	}
	want := empty()
	want.VIPs[netip.MustParseAddr(vip6)] = someVIP()
	want.Block = prefixes("10.1.0.0/16", "2001:db9::/32", "192.0.2.7/32")
	apply(t, first, addVIP(vip6, someVIP()), lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: want.Block})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Open(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := second.Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(at); !os.IsNotExist(err) {
			t.Errorf("after Remove: %v", err)
		}
	})
	got, err := second.Observe(lvs.Guard{Block: prefixes("10.9.0.0/16")})
	if diff := cmp.Diff(want, got, asValues); diff != "" || err != nil {
		t.Errorf("adopted, %v (-want +got):\n%s", err, diff)
	}
	checkState(t, second, want)
}

// TestFresh: that a new guard's lists are empty is known, and not read from a table
// of all networks whenever somebody looks.
func TestFresh(t *testing.T) {
	g := newGuard(t)
	s, err := g.read()
	if err != nil {
		t.Fatal(err)
	}
	nothing := digest(lvs.PrefixSet{})
	if s.AllowDigest != nothing || s.BlockDigest != nothing {
		t.Errorf("the kernel keeps the digests %x and %x, want %x of nothing", s.AllowDigest, s.BlockDigest, nothing)
	}
}

func TestOpenElsewhere(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "guard"))
	if err == nil || !strings.Contains(err.Error(), "it is not in a bpf file system (mount -t bpf bpf /sys/fs/bpf)") {
		t.Errorf("open on a disk: %v", err)
	}
}

func TestFull(t *testing.T) {
	g := newGuard(t)
	many := lvs.GuardVIP{Ports: map[lvs.GuardPort]lvs.GuardLimits{}}
	for port := range MaxPorts {
		many.Ports[lvs.GuardPort{Protocol: lvs.TCP, Port: uint16(port + 1)}] = lvs.GuardLimits{}
	}
	apply(t, g, addVIP(vip4, many))
	err := g.Apply(addVIP(vip6, someVIP()))
	want := "add guard of 2001:db8::1 (4 ports): there are 16384 ports already, and one guard holds 16384 of all VIPs together"
	if err == nil || err.Error() != want {
		t.Errorf("one port more: %v", err)
	}
	got, err := g.Observe(lvs.Guard{})
	if err != nil || len(got.VIPs) != 1 || len(got.VIPs[netip.MustParseAddr(vip4)].Ports) != MaxPorts {
		t.Errorf("after that: %d VIPs, %v", len(got.VIPs), err)
	}
}

// TestLists: from a list to another by what differs, and read back, a number of
// times that batches do not fit. Of IPv4 the fewest networks are read that cover
// the same.
func TestLists(t *testing.T) {
	g := newGuard(t)
	var a, b lvs.PrefixSetBuilder
	for i := range uint32(3 * batchSize / 2) {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		a.Add(p)
		if i%3 != 0 {
			b.Add(p)
		}
		b.Add(netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}), 120+int(i%9)))
	}
	for _, want := range []lvs.PrefixSet{a.Set(), b.Set(), {}} {
		apply(t, g, lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: want})
		got, err := g.readList(lvs.BlockList)
		if err != nil || !got.Equal(fewest(want)) {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

// TestInterrupted: a list that was being changed when its writer died is read
// and mended.
func TestInterrupted(t *testing.T) {
	g := newGuard(t)
	before := prefixes("10.1.0.0/16", "10.2.0.0/16")
	apply(t, g, lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: before})
	want := prefixes("10.2.0.0/16", "10.4.0.0/16")
	if err := g.keepDigest(lvs.BlockList, [32]byte{}); err != nil {
		t.Fatal(err)
	}
	half := prefixes("10.1.0.0/16", "10.2.0.0/15", "2001:db8:1::/48")
	if err := g.setNets(listsOf(lvs.BlockList, before, prefixes()), listsOf(lvs.BlockList, half, prefixes())); err != nil {
		t.Fatal(err)
	}
	add := toPrefixes6(half)
	if err := putAll(g.objects.Block6, add, make([]uint8, len(add))); err != nil {
		t.Fatal(err)
	}
	if err := g.objects.Hosts4.Put(uint32(77), &guardHosts{Block: 1}); err != nil {
		t.Fatal(err)
	}
	got, err := g.Observe(lvs.Guard{Block: want})
	if err != nil || !got.Block.Equal(half) {
		t.Errorf("got %s, %v, want %s", got.Block, err, half)
	}
	apply(t, g, lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: want})
	if got, err := g.readList(lvs.BlockList); err != nil || !got.Equal(want) {
		t.Errorf("mended: %s, %v", got, err)
	}
	if left, err := dump[uint32, guardHosts](g.objects.Hosts4); err != nil || len(left) > 0 {
		t.Errorf("hosts %v, %v are left of what was written in part", left, err)
	}
}
