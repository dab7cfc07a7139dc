package lvs_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func prefixes(texts ...string) lvs.PrefixSet {
	var b lvs.PrefixSetBuilder
	for _, s := range texts {
		b.Add(netip.MustParsePrefix(s))
	}
	return b.Set()
}

func listed(s lvs.PrefixSet) []string {
	var all []string
	for p := range s.All() {
		all = append(all, p.String())
	}
	return all
}

func TestPrefixSet(t *testing.T) {
	a := prefixes("2001:db8::/32", "10.0.0.0/8", "192.0.2.7/24", "10.0.0.0/8", "10.0.0.0/16")
	b := prefixes("10.0.0.0/8", "2001:db8::/33", "198.51.100.1/32")
	tests := []struct {
		name string
		got  lvs.PrefixSet
		want []string
	}{
		{"sorted, masked, each once", a, []string{"10.0.0.0/8", "10.0.0.0/16", "192.0.2.0/24", "2001:db8::/32"}},
		{"union", lvs.Union(a, b), []string{"10.0.0.0/8", "10.0.0.0/16", "192.0.2.0/24", "198.51.100.1/32", "2001:db8::/32", "2001:db8::/33"}},
		{"union of one", lvs.Union(b, lvs.PrefixSet{}), listed(b)},
		{"minus", a.Minus(b), []string{"10.0.0.0/16", "192.0.2.0/24", "2001:db8::/32"}},
		{"the other way", b.Minus(a), []string{"198.51.100.1/32", "2001:db8::/33"}},
		{"nothing left", a.Minus(a), nil},
		{"of nothing", lvs.Prefixes(netip.Prefix{}), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, listed(tt.got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if a.Equal(b) || !a.Equal(lvs.Union(a, a)) || a.Digest() == b.Digest() || a.Digest() != lvs.Union(a, a).Digest() {
		t.Error("sets are not told apart")
	}
	if got := b.String(); got != "10.0.0.0/8 198.51.100.1/32 2001:db8::/33" {
		t.Errorf("few: %q", got)
	}
	if got := lvs.Union(a, b).String(); got != "6 prefixes" {
		t.Errorf("many: %q", got)
	}
}

func TestPrefixSetMatch(t *testing.T) {
	s := prefixes("10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32")
	tests := []struct{ addr, want string }{
		{"10.1.2.3", "10.1.0.0/16"},
		{"10.2.2.3", "10.0.0.0/8"},
		{"11.0.0.1", ""},
		{"2001:db8::1", "2001:db8::/32"},
		{"2001:db9::1", ""},
	}
	for _, tt := range tests {
		p, ok := s.Match(netip.MustParseAddr(tt.addr))
		if got := p.String(); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%s: %s %t, want %q", tt.addr, got, ok, tt.want)
		}
	}
	if _, ok := s.Match(netip.Addr{}); ok {
		t.Error("the zero address matches")
	}
}

// A set agrees with a map in everything, whatever it is made of.
func TestPrefixSetIsASet(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	make1 := func() (lvs.PrefixSet, map[netip.Prefix]bool) {
		var b lvs.PrefixSetBuilder
		m := map[netip.Prefix]bool{}
		for range random.IntN(200) {
			addr := netip.AddrFrom4([4]byte{10, byte(random.IntN(3)), 0, byte(random.IntN(4))})
			if random.IntN(2) == 0 {
				addr = netip.AddrFrom16([16]byte{0x20, 1, 7: byte(random.IntN(3)), 15: byte(random.IntN(4))})
			}
			p := netip.PrefixFrom(addr, random.IntN(addr.BitLen()+1)).Masked()
			b.Add(p)
			m[p] = true
		}
		return b.Set(), m
	}
	for range 200 {
		a, inA := make1()
		b, inB := make1()
		if a.Len() != len(inA) {
			t.Fatalf("%d prefixes, want %d", a.Len(), len(inA))
		}
		var both, rest []netip.Prefix
		for p := range inA {
			both = append(both, p)
			if !inB[p] {
				rest = append(rest, p)
			}
			if !a.Has(p) || b.Has(p) != inB[p] {
				t.Fatalf("%s: has %t %t", p, a.Has(p), b.Has(p))
			}
		}
		for p := range inB {
			both = append(both, p)
		}
		if !lvs.Union(a, b).Equal(lvs.Prefixes(both...)) || !a.Minus(b).Equal(lvs.Prefixes(rest...)) {
			t.Fatal("union or difference differs from the maps'")
		}
		if all := slices.Collect(a.All()); !slices.IsSortedFunc(all, compareFamily) {
			t.Fatalf("not sorted: %v", all)
		}
	}
}

func compareFamily(a, b netip.Prefix) int {
	if a.Addr().Is4() != b.Addr().Is4() {
		return a.Addr().BitLen() - b.Addr().BitLen()
	}
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}
