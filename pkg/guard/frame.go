package guard

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Lengths of headers in bytes.
const (
	ethernet = 14
	ipv4     = 20
	ipv6     = 40
	tcp      = 20
	udp      = 8
	sctp     = 16 // with the head of an INIT chunk
)

// Frame makes an Ethernet frame with a packet of a client that begins to talk to
// a service: of TCP a SYN. Its checksums are zero: the guard does not look at them.
func Frame(p lvs.Protocol, source, target netip.AddrPort) []byte {
	segment := segmentOf(p, source.Port(), target.Port())
	from, to := source.Addr().Unmap(), target.Addr().Unmap()
	if from.Is4() && to.Is4() {
		return append(header4(p, from, to, len(segment)), segment...)
	}
	return append(header6(p, source.Addr(), target.Addr(), len(segment)), segment...)
}

func segmentOf(p lvs.Protocol, from, to uint16) []byte {
	var b []byte
	switch p {
	case lvs.TCP:
		b = make([]byte, tcp)
		b[12], b[13] = 5<<4, 0x02 // SYN
	case lvs.UDP:
		b = make([]byte, udp)
		binary.BigEndian.PutUint16(b[4:], udp)
	default:
		b = make([]byte, sctp)
		b[12], b[15] = 1, 4 // INIT
	}
	binary.BigEndian.PutUint16(b, from)
	binary.BigEndian.PutUint16(b[2:], to)
	return b
}

func header4(p lvs.Protocol, from, to netip.Addr, payload int) []byte {
	b := make([]byte, ethernet+ipv4)
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	ip := b[ethernet:]
	ip[0], ip[8], ip[9] = 0x45, 64, byte(p)
	binary.BigEndian.PutUint16(ip[2:], uint16(ipv4+payload))
	source, target := from.As4(), to.As4()
	copy(ip[12:], source[:])
	copy(ip[16:], target[:])
	return b
}

func header6(p lvs.Protocol, from, to netip.Addr, payload int) []byte {
	b := make([]byte, ethernet+ipv6)
	binary.BigEndian.PutUint16(b[12:], 0x86dd)
	ip := b[ethernet:]
	ip[0], ip[6], ip[7] = 0x60, byte(p), 64
	binary.BigEndian.PutUint16(ip[4:], uint16(payload))
	source, target := from.As16(), to.As16()
	copy(ip[8:], source[:])
	copy(ip[24:], target[:])
	return b
}

// Describe says what an Ethernet frame is, as far as its first bytes tell:
// "tcp 198.51.100.7:4000 to 192.0.2.1:80 SYN".
func Describe(head []byte) string {
	if len(head) < ethernet {
		return fmt.Sprintf("a frame of %d bytes", len(head))
	}
	kind, rest := binary.BigEndian.Uint16(head[12:]), head[ethernet:]
	for range 2 { // VLAN tags
		if (kind == 0x8100 || kind == 0x88a8) && len(rest) >= 4 {
			kind, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
		}
	}
	switch {
	case kind == 0x0800 && len(rest) >= ipv4:
		return describe4(rest)
	case kind == 0x86dd && len(rest) >= ipv6:
		from, _ := netip.AddrFromSlice(rest[8:24])
		to, _ := netip.AddrFromSlice(rest[24:40])
		return describeSegment(rest[6], from, to, rest[ipv6:])
	}
	return fmt.Sprintf("a frame of type %#04x", kind)
}

func describe4(ip []byte) string {
	from, _ := netip.AddrFromSlice(ip[12:16])
	to, _ := netip.AddrFromSlice(ip[16:20])
	if offset := binary.BigEndian.Uint16(ip[6:]) & 0x1fff; offset != 0 {
		return fmt.Sprintf("%s %s to %s, a fragment at byte %d", name(ip[9]), from, to, 8*int(offset))
	}
	length := int(ip[0]&0x0f) * 4
	if length < ipv4 || len(ip) < length {
		return fmt.Sprintf("%s %s to %s", name(ip[9]), from, to)
	}
	return describeSegment(ip[9], from, to, ip[length:])
}

func describeSegment(protocol byte, from, to netip.Addr, segment []byte) string {
	p := lvs.Protocol(protocol)
	if p != lvs.TCP && p != lvs.UDP && p != lvs.SCTP || len(segment) < 4 {
		return fmt.Sprintf("%s %s to %s", name(protocol), from, to)
	}
	source := netip.AddrPortFrom(from, binary.BigEndian.Uint16(segment))
	target := netip.AddrPortFrom(to, binary.BigEndian.Uint16(segment[2:]))
	text := fmt.Sprintf("%s %s to %s", p, source, target)
	if p == lvs.TCP && len(segment) > 13 {
		text += flags(segment[13])
	}
	return text
}

func name(protocol byte) string {
	switch p := lvs.Protocol(protocol); p {
	case lvs.TCP, lvs.UDP, lvs.SCTP:
		return p.String()
	}
	switch protocol {
	case 1, 58:
		return "icmp"
	}
	return fmt.Sprintf("protocol %d", protocol)
}

// flags names TCP's flags as tcpdump does not: in words.
func flags(b byte) string {
	var words []string
	for i, word := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"} {
		if b&(1<<i) != 0 {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return " without flags"
	}
	return " " + strings.Join(words, "+")
}
