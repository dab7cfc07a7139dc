package lvs

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"iter"
	"net/netip"
	"slices"
)

// PrefixSet is a set of networks that does not change once it is made. It is
// made for a million of them: one of IPv4 takes 8 bytes, one of IPv6 24.
type PrefixSet struct {
	v4 []uint64 // address and length, sorted
	v6 []prefix6
}

type prefix6 struct {
	high, low uint64
	bits      uint8
}

func (p prefix6) compare(o prefix6) int {
	return cmp.Or(cmp.Compare(p.high, o.high), cmp.Compare(p.low, o.low), cmp.Compare(p.bits, o.bits))
}

// Prefixes is the set of these networks, without their host bits.
func Prefixes(list ...netip.Prefix) PrefixSet {
	var b PrefixSetBuilder
	for _, p := range list {
		b.Add(p)
	}
	return b.Set()
}

// PrefixSetBuilder collects networks for a set. The zero value is ready.
type PrefixSetBuilder struct{ set PrefixSet }

// Add adds a network, without its host bits. One that is not valid adds nothing.
func (b *PrefixSetBuilder) Add(p netip.Prefix) {
	p = p.Masked()
	switch {
	case !p.IsValid():
	case p.Addr().Is4():
		b.set.v4 = append(b.set.v4, pack4(p))
	default:
		b.set.v6 = append(b.set.v6, pack6(p))
	}
}

// Set is the set of what was added. The builder is empty then.
func (b *PrefixSetBuilder) Set() PrefixSet {
	s := b.set
	b.set = PrefixSet{}
	slices.Sort(s.v4)
	slices.SortFunc(s.v6, prefix6.compare)
	return PrefixSet{v4: slices.Clip(slices.Compact(s.v4)), v6: slices.Clip(slices.Compact(s.v6))}
}

// pack4 orders as netip.Prefix does: by address, then by length.
func pack4(p netip.Prefix) uint64 {
	a := p.Addr().As4()
	return uint64(binary.BigEndian.Uint32(a[:]))<<8 | uint64(p.Bits())
}

func unpack4(v uint64) netip.Prefix {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], uint32(v>>8))
	return netip.PrefixFrom(netip.AddrFrom4(a), int(v&0xff))
}

func pack6(p netip.Prefix) prefix6 {
	a := p.Addr().As16()
	return prefix6{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:]), uint8(p.Bits())}
}

func (p prefix6) unpack() netip.Prefix {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], p.high)
	binary.BigEndian.PutUint64(a[8:], p.low)
	return netip.PrefixFrom(netip.AddrFrom16(a), int(p.bits))
}

// Len is how many networks there are.
func (s PrefixSet) Len() int { return len(s.v4) + len(s.v6) }

// All gives the networks in order, those of IPv4 first.
func (s PrefixSet) All() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for _, v := range s.v4 {
			if !yield(unpack4(v)) {
				return
			}
		}
		for _, v := range s.v6 {
			if !yield(v.unpack()) {
				return
			}
		}
	}
}

// Has tells whether this network, itself, is in the set.
func (s PrefixSet) Has(p netip.Prefix) bool {
	if !p.IsValid() || p != p.Masked() {
		return false
	}
	if p.Addr().Is4() {
		_, ok := slices.BinarySearch(s.v4, pack4(p))
		return ok
	}
	_, ok := slices.BinarySearchFunc(s.v6, pack6(p), prefix6.compare)
	return ok
}

// Match is the longest network of the set that an address is in.
func (s PrefixSet) Match(a netip.Addr) (netip.Prefix, bool) {
	for bits := a.BitLen(); bits >= 0 && a.IsValid(); bits-- {
		if p, err := a.Prefix(bits); err == nil && s.Has(p) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// Equal tells whether two sets are the same.
func (s PrefixSet) Equal(o PrefixSet) bool {
	return slices.Equal(s.v4, o.v4) && slices.Equal(s.v6, o.v6)
}

// Union is the set of what is in any of them. It is merged, not sorted: a million
// networks and a few more are a matter of milliseconds.
func Union(sets ...PrefixSet) PrefixSet {
	var all PrefixSet
	for _, s := range sets {
		all.v4 = union(all.v4, s.v4, cmp.Compare[uint64])
		all.v6 = union(all.v6, s.v6, prefix6.compare)
	}
	return all
}

// union merges sorted a and b.
func union[T any](a, b []T, compare func(T, T) int) []T {
	switch {
	case len(a) == 0:
		return b // sets do not change: they may share
	case len(b) == 0:
		return a
	}
	all := make([]T, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := compare(a[0], b[0]); {
		case c < 0:
			all, a = append(all, a[0]), a[1:]
		case c > 0:
			all, b = append(all, b[0]), b[1:]
		default:
			all, a, b = append(all, a[0]), a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// Minus is the set without what is in the other one.
func (s PrefixSet) Minus(o PrefixSet) PrefixSet {
	return PrefixSet{
		v4: minus(s.v4, o.v4, cmp.Compare[uint64]),
		v6: minus(s.v6, o.v6, prefix6.compare),
	}
}

// minus takes sorted b from sorted a.
func minus[T any](a, b []T, compare func(T, T) int) []T {
	var rest []T
	for _, v := range a {
		for len(b) > 0 && compare(b[0], v) < 0 {
			b = b[1:]
		}
		if len(b) == 0 || compare(b[0], v) != 0 {
			rest = append(rest, v)
		}
	}
	return rest
}

var digestSeed = maphash.MakeSeed()

// Digest is a number that two different sets hardly share. It is another one in
// each process.
func (s PrefixSet) Digest() uint64 {
	var h maphash.Hash
	h.SetSeed(digestSeed)
	var b [17]byte
	for _, v := range s.v4 {
		binary.BigEndian.PutUint64(b[:8], v)
		_, _ = h.Write(b[:8]) // never fails
	}
	for _, v := range s.v6 {
		binary.BigEndian.PutUint64(b[:8], v.high)
		binary.BigEndian.PutUint64(b[8:16], v.low)
		b[16] = v.bits
		_, _ = h.Write(b[:])
	}
	return h.Sum64()
}

// String says how many there are, and which if they are few.
func (s PrefixSet) String() string {
	const few = 4
	if s.Len() == 0 || s.Len() > few {
		return fmt.Sprintf("%d prefixes", s.Len())
	}
	text := ""
	for p := range s.All() {
		text += " " + p.String()
	}
	return text[1:]
}
