package xdp

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"net/netip"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// A cover is a set of IPv4 addresses as the places where it begins, ends, begins
// again and so on, ascending. An end is the first address that is not in it any
// more, so that the last one may be 1<<32.
type cover []uint64

// coverOf is what the IPv4 networks of a set cover.
func coverOf(s lvs.PrefixSet) cover {
	var c cover
	for p := range s.All() {
		if !p.Addr().Is4() {
			break // those of IPv4 are the first ones
		}
		a := p.Addr().As4()
		begin := uint64(binary.BigEndian.Uint32(a[:]))
		c.add(begin, begin+1<<(32-p.Bits()))
	}
	return c
}

// add adds addresses, which do not begin before those that were added last.
func (c *cover) add(begin, end uint64) {
	if n := len(*c); n > 0 && begin <= (*c)[n-1] {
		(*c)[n-1] = max((*c)[n-1], end)
		return
	}
	*c = append(*c, begin, end)
}

// prefixes gives the fewest networks that cover the same, in order.
func (c cover) prefixes() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for i := 0; i < len(c); i += 2 {
			for begin := c[i]; begin < c[i+1]; {
				free := min(bits.TrailingZeros64(begin|1<<32), bits.Len64(c[i+1]-begin)-1)
				var a [4]byte
				binary.BigEndian.PutUint32(a[:], uint32(begin))
				if !yield(netip.PrefixFrom(netip.AddrFrom4(a), 32-free)) {
					return
				}
				begin += 1 << free
			}
		}
	}
}

// xor is what one of two covers has and the other has not. Where both begin or
// end, neither does.
func (c cover) xor(o cover) cover {
	var all cover
	for len(c) > 0 && len(o) > 0 {
		switch {
		case c[0] < o[0]:
			all, c = append(all, c[0]), c[1:]
		case c[0] > o[0]:
			all, o = append(all, o[0]), o[1:]
		default:
			c, o = c[1:], o[1:]
		}
	}
	return append(append(all, c...), o...)
}

// nets gives the networks of 24 bits that have something of the cover, in order.
func (c cover) nets() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		next := uint64(0)
		for i := 0; i < len(c); i += 2 {
			for next = max(next, c[i]>>8); next<<8 < c[i+1]; next++ {
				if !yield(uint32(next)) {
					return
				}
			}
		}
	}
}

// hostBits has a bit for each address of a network of 24 bits.
type hostBits [8]uint32

const ones = ^uint32(0)

var allHosts = hostBits{ones, ones, ones, ones, ones, ones, ones, ones}

// A window moves over a cover, network by network.
type window struct{ rest cover }

// at tells which addresses of a network the cover has. The window does not move
// back.
func (w *window) at(net uint32) (hosts hostBits) {
	begin, end := uint64(net)<<8, uint64(net)<<8+256
	for len(w.rest) > 0 && w.rest[1] <= begin {
		w.rest = w.rest[2:]
	}
	for i := 0; i < len(w.rest) && w.rest[i] < end; i += 2 {
		from, to := max(w.rest[i], begin)-begin, min(w.rest[i+1], end)-begin
		if to-from == 256 {
			return allHosts
		}
		for at := from; at < to; at++ {
			hosts[at/32] |= 1 << (at % 32)
		}
	}
	return hosts
}

// addHosts adds addresses of a network of 27 bits.
func (c *cover) addHosts(part, hosts uint32) {
	begin := uint64(part) * 32
	for at := range uint64(32) {
		if hosts>>at&1 == 1 {
			c.add(begin+at, begin+at+1)
		}
	}
}
