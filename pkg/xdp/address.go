package xdp

import (
	"encoding/binary"
	"net/netip"
)

// The program reads addresses and ports as they are in packets: in network byte
// order, whatever the machine's is.

func toAddress(a netip.Addr) (out guardAddress) {
	b := a.As16()
	for i := range out.Word {
		out.Word[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return out
}

func fromAddress(a guardAddress) netip.Addr {
	var b [16]byte
	for i, word := range a.Word {
		binary.NativeEndian.PutUint32(b[4*i:], word)
	}
	return netip.AddrFrom16(b)
}

func toWord(a netip.Addr) uint32 {
	b := a.As4()
	return binary.NativeEndian.Uint32(b[:])
}

func fromWord(word uint32) netip.Addr {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], word)
	return netip.AddrFrom4(b)
}

func toPort(p uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], p)
	return binary.NativeEndian.Uint16(b[:])
}

func fromPort(p uint16) uint16 { return toPort(p) }
