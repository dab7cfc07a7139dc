package xdptest

import (
	"encoding/binary"
	"net/netip"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// The protocols of which more than the number is looked at.
const (
	icmp4 = 1
	tcp   = uint8(lvs.TCP)
	udp   = uint8(lvs.UDP)
	icmp6 = 58
	sctp  = uint8(lvs.SCTP)
)

// judge says by which rule a packet's fate is decided.
func (g *Guard) judge(p *packet, now uint64) lvs.GuardReason {
	if p.reason != lvs.GuardPassed {
		return p.reason
	}
	if r := p.transport(); r != lvs.GuardPassed {
		return r
	}
	return g.limits(p, now)
}

func (p *packet) transport() lvs.GuardReason {
	if p.offset > 0 {
		return p.later()
	}
	switch {
	case p.protocol == tcp || p.protocol == udp || p.protocol == sctp:
		return p.withPorts()
	case p.protocol == icmp4 && p.target.Is4(), p.protocol == icmp6 && p.target.Is6():
		return p.icmp()
	}
	p.port, p.scoped = find(p.vip, p.protocol, 0)
	return lvs.GuardPassed
}

// later judges a fragment that is not the first.
func (p *packet) later() lvs.GuardReason {
	if p.offset+p.length > 65535 || p.protocol == tcp && p.offset == 8 {
		return lvs.GuardBadFragment
	}
	return lvs.GuardPassed
}

// has tells whether there are that many bytes, in the frame and by IP.
func (p *packet) has(n int) bool { return len(p.bytes) >= n && p.length >= n }

// cut is the reason for a header that is not whole.
func (p *packet) cut() lvs.GuardReason {
	if p.fragment {
		return lvs.GuardBadFragment
	}
	return lvs.GuardBadHeader
}

func (p *packet) withPorts() lvs.GuardReason {
	least := map[uint8]int{tcp: 20, udp: 8, sctp: 12}[p.protocol]
	if !p.has(least) {
		return p.cut()
	}
	from, to := binary.BigEndian.Uint16(p.bytes), binary.BigEndian.Uint16(p.bytes[2:])
	answer := true
	var r lvs.GuardReason
	switch p.protocol {
	case tcp:
		r, answer = p.tcp()
	case udp:
		r = p.udp()
	}
	switch {
	case r != lvs.GuardPassed:
		return r
	case to == 0 || from == 0 && p.protocol != udp:
		return lvs.GuardBadPort
	}
	p.port, p.scoped = find(p.vip, p.protocol, to)
	if p.scoped || p.vip.Shared && answer && to >= 1024 {
		return lvs.GuardPassed
	}
	return lvs.GuardUndeclared
}

// tcp judges lengths and flags, and tells whether it may be an answer.
func (p *packet) tcp() (r lvs.GuardReason, answer bool) {
	const fin, syn, rst, ack, all = 1, 2, 4, 16, 0x3f
	header, flags := int(p.bytes[12]>>4)*4, p.bytes[13]
	switch {
	case header < 20:
		return lvs.GuardBadHeader, false
	case header > p.length:
		return p.cut(), false
	case flags&all == 0, flags&syn != 0 && flags&(fin|rst) != 0:
		return lvs.GuardBadFlags, false
	}
	p.syn = flags&(syn|ack) == syn
	return lvs.GuardPassed, flags&(ack|rst) != 0
}

func (p *packet) udp() lvs.GuardReason {
	length := int(binary.BigEndian.Uint16(p.bytes[4:]))
	jumbo := length == 0 && p.target.Is6()
	if length < 8 && !jumbo || length > p.length && !p.fragment {
		return lvs.GuardBadHeader
	}
	return lvs.GuardPassed
}

// icmp judges an error by the packet in it; neighbour discovery passes.
func (p *packet) icmp() lvs.GuardReason {
	if !p.has(8) {
		return p.cut()
	}
	kind, inner := p.bytes[0], p.bytes[8:]
	if p.target.Is4() {
		switch kind {
		case 3, 4, 5, 11, 12:
			return p.error4(inner)
		}
		return lvs.GuardPassed
	}
	switch {
	case kind >= 133 && kind <= 137 && p.hops == 255:
		return lvs.GuardNeighbour
	case kind >= 133 && kind <= 137:
		return lvs.GuardBadHeader
	case kind >= 1 && kind <= 4:
		return p.error6(inner)
	}
	return lvs.GuardPassed
}

func (p *packet) error4(b []byte) lvs.GuardReason {
	if len(b) < 20 {
		return lvs.GuardBadHeader
	}
	header := int(b[0]&15) * 4
	switch {
	case netip.AddrFrom4([4]byte(b[12:])) != p.target:
		return lvs.GuardStrayError
	case header < 20:
		return lvs.GuardBadHeader
	case binary.BigEndian.Uint16(b[6:])&0x1fff != 0:
		return lvs.GuardPassed
	}
	return p.sender(b[9], b[min(header, len(b)):])
}

func (p *packet) error6(b []byte) lvs.GuardReason {
	if len(b) < 40 {
		return lvs.GuardBadHeader
	}
	if netip.AddrFrom16([16]byte(b[8:])) != p.target {
		return lvs.GuardStrayError
	}
	return p.sender(b[6], b[40:])
}

// sender tells whether the VIP can have sent from that port.
func (p *packet) sender(protocol uint8, b []byte) lvs.GuardReason {
	if protocol != tcp && protocol != udp && protocol != sctp || p.vip.Shared {
		return lvs.GuardPassed
	}
	if len(b) < 4 {
		return lvs.GuardBadHeader
	}
	if _, ok := find(p.vip, protocol, binary.BigEndian.Uint16(b)); !ok {
		return lvs.GuardStrayError
	}
	return lvs.GuardPassed
}
