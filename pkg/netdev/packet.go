package netdev

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
)

// The two operations of ARP (RFC 826).
const (
	arpRequest = 1
	arpReply   = 2
)

// arpPacket builds a gratuitous ARP packet: sender and target address are the
// announced one. Some neighbours learn from the request form (RFC 5227 section
// 2.3, with an empty target hardware address), some from the reply form, which
// repeats the sender's (RFC 5944 section 4.6).
func arpPacket(op uint16, mac net.HardwareAddr, ip netip.Addr) []byte {
	target := make(net.HardwareAddr, 6)
	if op == arpReply {
		target = mac
	}
	return arp(op, mac, ip, target, ip)
}

// arpProbe builds the question who has an address. Its sender has no address
// (RFC 5227 section 1.1).
func arpProbe(mac net.HardwareAddr, ip netip.Addr) []byte {
	return arp(arpRequest, mac, netip.IPv4Unspecified(), make(net.HardwareAddr, 6), ip)
}

// arpHead says that the packet is about Ethernet and IPv4 addresses.
var arpHead = []byte{0, 1, 8, 0, 6, 4}

func arp(op uint16, mac net.HardwareAddr, ip netip.Addr, targetMAC net.HardwareAddr, target netip.Addr) []byte {
	b := binary.BigEndian.AppendUint16(slices.Clone(arpHead), op)
	b = append(b, mac...)
	b = append(b, ip.AsSlice()...)
	b = append(b, targetMAC...)
	return append(b, target.AsSlice()...)
}

// arpAnswer gives the sender of a packet that answers the question for an
// address.
func arpAnswer(b []byte, ip netip.Addr) (net.HardwareAddr, bool) {
	if len(b) < 28 || !bytes.HasPrefix(b, arpHead) || binary.BigEndian.Uint16(b[6:]) != arpReply {
		return nil, false
	}
	return bytes.Clone(b[8:14]), netip.AddrFrom4([4]byte(b[14:18])) == ip
}

// Fields of a neighbour advertisement (RFC 4861 sections 4.4 and 4.6.1).
const (
	typeAdvertisement = 136
	flagRouter        = 0x80
	flagOverride      = 0x20
	optTargetMAC      = 2
)

// allNodes is where unsolicited advertisements go: every node of the link.
var allNodes = netip.MustParseAddr("ff02::1")

// advertisement builds an unsolicited neighbour advertisement (RFC 4861 section
// 7.2.6) with its IPv6 header. The router flag must be true on a router, or the
// neighbours stop using it as one (section 7.2.5).
func advertisement(mac net.HardwareAddr, ip netip.Addr, router bool) []byte {
	flags := byte(flagOverride)
	if router {
		flags |= flagRouter
	}
	icmp := []byte{typeAdvertisement, 0, 0, 0, flags, 0, 0, 0}
	icmp = append(icmp, ip.AsSlice()...)
	icmp = append(icmp, optTargetMAC, 1) // the option's length is in units of 8 bytes
	icmp = append(icmp, mac...)
	binary.BigEndian.PutUint16(icmp[2:], checksum(ip, allNodes, icmp))

	b := []byte{0x60, 0, 0, 0, 0, byte(len(icmp)), nextHeaderICMP, 255} // hop limit 255: from this link
	b = append(b, ip.AsSlice()...)
	b = append(b, allNodes.AsSlice()...)
	return append(b, icmp...)
}

const nextHeaderICMP = 58

// checksum is that of ICMPv6: over a pseudo-header and the message (RFC 8200
// section 8.1).
func checksum(src, dst netip.Addr, icmp []byte) uint16 {
	b := append(src.AsSlice(), dst.AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(icmp)))
	b = append(b, 0, 0, 0, nextHeaderICMP)
	b = append(b, icmp...)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
