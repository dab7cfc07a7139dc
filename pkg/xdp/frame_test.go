package xdp

import (
	"encoding/binary"
	"net/netip"
)

// frame is an Ethernet frame to be: what is not given is as it is in a good one.
type frame struct {
	tags       []uint16 // types of VLAN tags, from the outside
	source     string
	target     string
	options    int         // words of options in an IPv4 header
	extensions []extension // of IPv6
	protocol   uint8
	fragment   uint16 // the whole field, as the family has it
	hops       uint8
	payload    []byte
	cutTotal   int // how much less the IP header says than there is
}

type extension struct {
	kind uint8
	body []byte // without next header, and length where there is one
}

func (f frame) bytes() []byte {
	b := make([]byte, 12, 256)
	for _, tag := range f.tags {
		b = binary.BigEndian.AppendUint16(b, tag)
		b = append(b, 0, 7)
	}
	if netip.MustParseAddr(f.target).Is4() {
		return f.ipv4(append(b, 0x08, 0x00))
	}
	return f.ipv6(append(b, 0x86, 0xdd))
}

func (f frame) ipv4(b []byte) []byte {
	header := 20 + 4*f.options
	b = append(b, 0x40|byte(header/4), 0)
	b = binary.BigEndian.AppendUint16(b, uint16(header+len(f.payload)-f.cutTotal))
	b = append(b, 0, 1)
	b = binary.BigEndian.AppendUint16(b, f.fragment)
	b = append(b, 64, f.protocol, 0, 0)
	b = append(b, netip.MustParseAddr(f.source).AsSlice()...)
	b = append(b, netip.MustParseAddr(f.target).AsSlice()...)
	for range f.options {
		b = append(b, 1, 1, 1, 1) // no operation
	}
	return append(b, f.payload...)
}

func (f frame) ipv6(b []byte) []byte {
	next, headers := f.protocol, []byte{}
	for i := len(f.extensions) - 1; i >= 0; i-- {
		e := f.extensions[i]
		headers = append(append([]byte{next}, e.body...), headers...)
		next = e.kind
	}
	hops := f.hops
	if hops == 0 {
		hops = 64
	}
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(headers)+len(f.payload)-f.cutTotal))
	b = append(b, next, hops)
	b = append(b, netip.MustParseAddr(f.source).AsSlice()...)
	b = append(b, netip.MustParseAddr(f.target).AsSlice()...)
	return append(append(b, headers...), f.payload...)
}

// options is an extension header of options, of 8*(1+more) bytes.
func optionsHeader(kind uint8, more uint8) extension {
	return extension{kind, append([]byte{more}, make([]byte, 6+8*int(more))...)}
}

// fragmentHeader is one with this field: offset in the upper 13 bits, then flags.
func fragmentHeader(field uint16) extension {
	return extension{44, append(binary.BigEndian.AppendUint16([]byte{0}, field), 0, 0, 0, 9)}
}

const (
	flagFIN = 1
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

func tcpHeader(from, to uint16, flags uint8) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	return append(b, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0)
}

func udpHeader(from, to uint16, data int) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+data))
	return append(append(b, 0, 0), make([]byte, data)...)
}

func sctpHeader(from, to uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	return append(b, make([]byte, 12)...)
}

// icmpHeader is one with what follows it.
func icmpHeader(kind uint8, inner []byte) []byte {
	return append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, inner...)
}

// packetIn is the IP packet in a frame without tags.
func packetIn(f frame) []byte { return f.bytes()[14:] }
