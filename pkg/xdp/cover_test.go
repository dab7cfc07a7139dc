package xdp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// fewest are the fewest networks that say the same, of IPv4.
func fewest(s lvs.PrefixSet) lvs.PrefixSet {
	all := slices.Collect(coverOf(s).prefixes())
	for p := range s.All() {
		if p.Addr().Is6() {
			all = append(all, p)
		}
	}
	return lvs.Prefixes(all...)
}

// somewhere is an address in 10.0.0.0/14, or at an end of all addresses.
func somewhere(random *rand.Rand) netip.Addr {
	var a [4]byte
	n := random.Uint32N(1 << 18)
	switch random.IntN(16) {
	case 0:
		n = ^n
	case 1:
	default:
		n |= 10 << 24
	}
	binary.BigEndian.PutUint32(a[:], n)
	return netip.AddrFrom4(a)
}

// scattered is a set of networks of all lengths, most of them small.
func scattered(random *rand.Rand, n int) lvs.PrefixSet {
	var b lvs.PrefixSetBuilder
	for range random.IntN(n) {
		bits := 32 - random.IntN(3)
		if random.IntN(4) == 0 {
			bits = 14 + random.IntN(19)
		}
		if random.IntN(256) == 0 {
			bits = random.IntN(33)
		}
		b.Add(netip.PrefixFrom(somewhere(random), bits))
	}
	return b.Set()
}

// near gives addresses at which sets may change: in and beside their networks.
func near(random *rand.Rand, sets ...lvs.PrefixSet) []netip.Addr {
	var all []netip.Addr
	for _, s := range sets {
		for p := range s.All() {
			all = append(all, p.Addr(), p.Addr().Prev(), p.Addr().Next())
		}
	}
	for range 50 {
		all = append(all, somewhere(random))
	}
	return slices.DeleteFunc(all, func(a netip.Addr) bool { return !a.IsValid() })
}

func has(s lvs.PrefixSet, a netip.Addr) bool {
	_, ok := s.Match(a)
	return ok
}

func (c cover) has(a netip.Addr) bool {
	b := a.As4()
	at := uint64(binary.BigEndian.Uint32(b[:]))
	n, exact := slices.BinarySearch(c, at)
	if exact {
		n++
	}
	return n%2 == 1
}

// TestCovers holds covers against sets of networks that are asked address by
// address.
func TestCovers(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	for range 30 {
		a, b := scattered(random, 60), scattered(random, 60)
		ca, cb := coverOf(a), coverOf(b)
		if !slices.IsSorted(ca) || len(ca)%2 != 0 || len(slices.Compact(slices.Clone(ca))) != len(ca) {
			t.Fatalf("seed %d: the cover of %s has edges %d", seed, a, ca)
		}
		both, back := ca.xor(cb), lvs.Prefixes(slices.Collect(ca.prefixes())...)
		nets := slices.Collect(both.nets())
		if !slices.IsSorted(nets) || len(slices.Compact(slices.Clone(nets))) != len(nets) {
			t.Fatalf("seed %d: networks %d", seed, nets)
		}
		for _, at := range near(random, a, b) {
			if got, want := ca.has(at), has(a, at); got != want {
				t.Fatalf("seed %d: the cover has %s: %t, want %t", seed, at, got, want)
			}
			if got, want := has(back, at), has(a, at); got != want {
				t.Fatalf("seed %d: its networks have %s: %t, want %t", seed, at, got, want)
			}
			differ := has(a, at) != has(b, at)
			if got := both.has(at); got != differ {
				t.Fatalf("seed %d: what differs has %s: %t, want %t", seed, at, got, differ)
			}
			if _, listed := slices.BinarySearch(nets, netOf(at)); differ && !listed {
				t.Fatalf("seed %d: the network of %s is not among those that differ", seed, at)
			}
		}
		if !coverOf(back).equal(ca) || lvs.Prefixes(slices.Collect(ca.prefixes())...).Len() > a.Len() {
			t.Fatalf("seed %d: %s became %s", seed, a, back)
		}
	}
}

func (c cover) equal(o cover) bool { return slices.Equal(c, o) }

// TestWindow: the hosts of each network, and how many networks are there in part.
func TestWindow(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	for range 10 {
		a, b := scattered(random, 60), scattered(random, 60)
		wa, wb := window{coverOf(a)}, window{coverOf(b)}
		parts := 0
		for net := range uint32(1 << 10) {
			net += 10 << 16
			ha, hb := wa.at(net), wb.at(net)
			if !(ha == allHosts || ha == hostBits{} && (hb == hostBits{} || hb == allHosts)) {
				for i := range ha {
					if ha[i]|hb[i] != 0 {
						parts++
					}
				}
			}
			for host := range 256 {
				at := netip.AddrFrom4([4]byte{byte(net >> 16), byte(net >> 8), byte(net), byte(host)})
				if got, want := ha[host/32]>>(host%32)&1 == 1, has(a, at); got != want {
					t.Fatalf("seed %d: %s: %t, want %t", seed, at, got, want)
				}
			}
		}
		inside := func(c cover) (in cover) {
			for i := 0; i < len(c); i += 2 {
				if from, to := max(c[i], 10<<24), min(c[i+1], 10<<24+1<<18); from < to {
					in.add(from, to)
				}
			}
			return in
		}
		if got := (lists{inside(coverOf(a)), inside(coverOf(b))}).parts(); got != parts {
			t.Fatalf("seed %d: %d parts, want %d", seed, got, parts)
		}
	}
}

// TestStandings: what the program says of a source is what the lists say of it,
// whatever they were before; a VIP is nobody's source.
func TestStandings(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	g := newGuard(t)
	apply(t, g, lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true}}, addVIP(vip4, lvs.GuardVIP{Ports: ports(web)}))
	vips := map[netip.Addr]bool{netip.MustParseAddr(vip4): true}
	var listed [2]lvs.PrefixSet
	for range 20 {
		switch l := lvs.GuardList(random.IntN(3)); l {
		case lvs.AllowList, lvs.BlockList:
			listed[l] = scattered(random, 100)
			apply(t, g, lvs.GuardPrefixes{List: l, Prefixes: listed[l]})
		default:
			addr := somewhere(random)
			vips[addr] = random.IntN(3) > 0
			change := addVIP(addr.String(), lvs.GuardVIP{Ports: ports(web)}).(lvs.GuardVIPChange)
			if !vips[addr] {
				change.Verb = lvs.Delete
			}
			apply(t, g, change)
		}
		if random.IntN(4) == 0 { // another process takes over
			g.lists = [2]*known{}
			if _, err := g.Observe(lvs.Guard{Allow: listed[lvs.AllowList], Block: listed[lvs.BlockList]}); err != nil {
				t.Fatal(err)
			}
		}
		sources := near(random, listed[:]...)
		for addr := range vips {
			sources = append(sources, addr)
		}
		for _, source := range sources {
			want := lvs.GuardPassed
			switch a := source.As4(); {
			case has(listed[lvs.AllowList], source):
				want = lvs.GuardAllowed
			case has(listed[lvs.BlockList], source):
				want = lvs.GuardBlocked
			case vips[source], a[0] == 0, a[0] == 127, a[0] >= 224 && a[0] < 240, source == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
				want = lvs.GuardBadSource
			}
			got, err := g.Test(from(syn4(), source.String()).bytes())
			if err != nil || got.Reason != want {
				t.Fatalf("seed %d: %s: %s, %v, want %s", seed, source, got, err, want)
			}
		}
		for _, l := range []lvs.GuardList{lvs.AllowList, lvs.BlockList} {
			got, err := g.readCover(l)
			if err != nil {
				t.Fatal(err)
			}
			for _, source := range sources {
				hidden := l == lvs.BlockList && has(listed[lvs.AllowList], source)
				if !hidden && got.has(source) != has(listed[l], source) {
					t.Fatalf("seed %d: the %s that is read has %s: %t", seed, l, source, got.has(source))
				}
			}
		}
	}
}
