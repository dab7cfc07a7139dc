package xdptest

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// packet is what is known of a frame.
type packet struct {
	vip            lvs.GuardVIP
	source, target netip.Addr
	reason         lvs.GuardReason // what its IP header came to; GuardPassed: look on
	protocol       uint8
	hops           uint8
	offset         int    // of a fragment, in bytes
	fragment       bool   // first or later
	bytes          []byte // from the transport's header to the frame's end
	length         int    // what IP says there is of it
	syn            bool
	port           lvs.GuardPort // the one that it belongs to
	scoped         bool          // it belongs to one
}

// parse reads the Ethernet header, its tags, and the IP header of a packet to a
// VIP.
func (g *Guard) parse(frame []byte) packet {
	const ipv4, ipv6 = 0x0800, 0x86dd
	nothing := packet{reason: lvs.GuardNotVIP}
	if len(frame) < 14 {
		return nothing
	}
	kind, rest := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	for range 2 {
		if kind != 0x8100 && kind != 0x88a8 {
			break
		}
		if len(rest) < 4 {
			return nothing
		}
		kind, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	switch {
	case kind == ipv4 && len(rest) >= 20:
		return g.parse4(rest)
	case kind == ipv6 && len(rest) >= 40:
		return g.parse6(rest, len(frame)-len(rest)-14)
	}
	return nothing
}

// standing looks at who sent it, before anything else.
func (g *Guard) standing(source netip.Addr) lvs.GuardReason {
	if _, ok := g.state.Allow.Match(source); ok {
		return lvs.GuardAllowed
	}
	if _, ok := g.state.Block.Match(source); ok {
		return lvs.GuardBlocked
	}
	if g.badSource(source) {
		return lvs.GuardBadSource
	}
	return lvs.GuardPassed
}

func (g *Guard) parse4(b []byte) packet {
	p := packet{source: netip.AddrFrom4([4]byte(b[12:])), target: netip.AddrFrom4([4]byte(b[16:]))}
	var known bool
	if p.vip, known = g.state.VIPs[p.target]; !known {
		return packet{reason: lvs.GuardNotVIP}
	}
	if p.reason = g.standing(p.source); p.reason != lvs.GuardPassed {
		return p
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = len(b)
	}
	if b[0]>>4 != 4 || header < 20 || header > total || total > len(b) {
		p.reason = lvs.GuardBadHeader
		return p
	}
	fragment := binary.BigEndian.Uint16(b[6:])
	p.offset = int(fragment&0x1fff) * 8
	p.fragment = fragment&0x3fff != 0
	p.protocol = b[9]
	p.bytes, p.length = b[header:], total-header
	return p
}

// parse6 reads an IPv6 header that deep behind the Ethernet header.
func (g *Guard) parse6(b []byte, depth int) packet {
	p := packet{source: netip.AddrFrom16([16]byte(b[8:])), target: netip.AddrFrom16([16]byte(b[24:]))}
	var known bool
	if p.vip, known = g.state.VIPs[p.target]; !known {
		return packet{reason: lvs.GuardNotVIP}
	}
	if p.reason = g.standing(p.source); p.reason != lvs.GuardPassed {
		return p
	}
	p.protocol, p.hops = b[6], b[7]
	p.bytes, p.length = b[40:], int(binary.BigEndian.Uint16(b[4:]))
	if p.length == 0 {
		p.length = len(p.bytes)
	}
	if b[0]>>4 != 6 || p.length > len(p.bytes) || !p.extensions(depth+40) {
		p.reason = lvs.GuardBadHeader
		return p
	}
	return p
}

// The numbers of extension headers: hop by hop, routing, fragment, authentication,
// destination, mobility, HIP, Shim6.
var extensions = []uint8{0, 43, 44, 51, 60, 135, 139, 140}

// extensions steps over the extension headers, which begin that deep behind
// the Ethernet header; false if that does not work.
func (p *packet) extensions(depth int) bool {
	const most, deepest = 8, 2044
	for n := 0; p.offset == 0 && slices.Contains(extensions, p.protocol); n++ {
		if n == most || len(p.bytes) < 8 {
			return false
		}
		size := (int(p.bytes[1]) + 1) * 8
		switch p.protocol {
		case 44:
			size = 8
		case 51:
			size = (int(p.bytes[1]) + 2) * 4
		}
		depth += size
		if size > p.length || depth > deepest || p.protocol == 43 && p.bytes[2] == 0 {
			return false
		}
		if p.protocol == 44 {
			field := binary.BigEndian.Uint16(p.bytes[2:])
			p.offset = int(field & 0xfff8)
			p.fragment = field&0xfff9 != 0
		}
		p.protocol = p.bytes[0]
		p.bytes, p.length = p.bytes[size:], p.length-size
	}
	return true
}

// badSource tells what can not be a source: nothing, loopback, multicast,
// broadcast, an IPv4 address in IPv6, a VIP.
func (g *Guard) badSource(a netip.Addr) bool {
	_, vip := g.state.VIPs[a]
	if a.Is4() {
		b := a.As4()
		return vip || b[0] == 0 || b[0] == 127 || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	return vip || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.Is4In6()
}
