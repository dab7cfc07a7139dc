// Package vrrp elects which of several directors serves a set of addresses: the
// Virtual Router Redundancy Protocol, version 3 (RFC 9568) and version 2 (RFC
// 3768), for IPv4 and IPv6, by multicast or between named peers.
//
// An Advert is the protocol's only packet. A Machine is the protocol's state
// machine: pure, told the time with every call. A Group moves several machines
// together. A Router runs a group: it sends and receives for it, and says who
// is active. The package never touches an address: it tells a role, and what
// the role means is for others to do.
package vrrp

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// Version is a version of the protocol.
type Version uint8

// The versions.
const (
	V2 Version = 2 // RFC 3768: IPv4, whole seconds
	V3 Version = 3 // RFC 9568: IPv4 and IPv6, hundredths of a second
)

// Priorities with a meaning of their own (RFC 9568 section 5.2.4).
const (
	Released uint8 = 0   // the active router gives up
	Owner    uint8 = 255 // the router that owns the addresses
)

// Protocol is VRRP's IP protocol number, TTL the only hop limit of its packets:
// no router may have forwarded them (RFC 9568 section 5.1).
const (
	Protocol = 112
	TTL      = 255
)

// The multicast groups (RFC 9568 sections 5.1.1.2 and 5.1.2.2).
var (
	Group4 = netip.AddrFrom4([4]byte{224, 0, 0, 18})
	Group6 = netip.MustParseAddr("ff02::12")
)

// The bounds of an interval: twelve bits of hundredths of a second in version 3
// (RFC 9568 section 5.2.7), eight bits of seconds in version 2 (RFC 3768
// section 5.3.7).
const (
	unit3 = 10 * time.Millisecond
	unit2 = time.Second
	most3 = 1<<12 - 1
	most2 = math.MaxUint8
)

// MaxPassword is how many bytes of a password version 2 carries.
const MaxPassword = 8

// Authentication types of version 2 (RFC 2338 section 5.3.6; RFC 3768 keeps only
// the first, keepalived both).
const (
	authNone = 0
	authPass = 1
)

// Advert is an advertisement, the one packet of the protocol.
type Advert struct {
	Version   Version
	VRID      uint8
	Priority  uint8
	Interval  time.Duration // between two adverts; whole hundredths (version 3) or seconds (version 2)
	Addresses []netip.Addr  // at most 255 of the packet's family
	Password  string        // version 2: up to 8 bytes without NUL, "" for none
	// Plain leaves the pseudo-header out of the checksum of version 3 over IPv4, as
	// RFC 9568 section 5.2.8 has it. RFC 5798 was read to include it, and that is what
	// keepalived sends and expects.
	Plain bool
}

// header is the length of the fixed part in bytes.
const header = 8

const typeAdvert = 1

// Marshal writes the packet that goes from src to dst: the addresses are part
// of the checksum.
func (a Advert) Marshal(src, dst netip.Addr) ([]byte, error) {
	if err := a.check(src); err != nil {
		return nil, fmt.Errorf("write an advert: %w", err)
	}
	b := []byte{byte(a.Version)<<4 | typeAdvert, a.VRID, a.Priority, byte(len(a.Addresses))}
	if a.Version == V2 {
		auth := byte(authNone)
		if a.Password != "" {
			auth = authPass
		}
		b = append(b, auth, byte(a.Interval/unit2))
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(a.Interval/unit3))
	}
	b = append(b, 0, 0)
	for _, addr := range a.Addresses {
		b = append(b, addr.AsSlice()...)
	}
	if a.Version == V2 {
		var password [MaxPassword]byte
		copy(password[:], a.Password)
		b = append(b, password[:]...)
	}
	binary.BigEndian.PutUint16(b[6:], ^sum(b, a.pseudo(src, dst, len(b))))
	return b, nil
}

// check refuses what the packet has no room for.
func (a Advert) check(src netip.Addr) error {
	unit, most := unit3, time.Duration(most3)
	if a.Version == V2 {
		unit, most = unit2, most2
	}
	switch {
	case a.Version != V2 && a.Version != V3:
		return fmt.Errorf("version %d", a.Version)
	case a.Version == V2 && !src.Is4():
		return fmt.Errorf("version 2 over IPv6")
	case a.VRID == 0:
		return fmt.Errorf("VRID 0")
	case a.Interval%unit != 0 || a.Interval < unit || a.Interval > most*unit:
		return fmt.Errorf("interval %s is not 1 to %d times %s", a.Interval, most, unit)
	case len(a.Addresses) == 0 || len(a.Addresses) > math.MaxUint8:
		return fmt.Errorf("%d addresses", len(a.Addresses))
	case len(a.Password) > MaxPassword || a.Password != "" && a.Version != V2:
		return fmt.Errorf("a password of %d bytes in version %d", len(a.Password), a.Version)
	}
	for _, addr := range a.Addresses {
		if addr.BitLen() != src.BitLen() {
			return fmt.Errorf("address %s in a packet from %s", addr, src)
		}
	}
	return nil
}

// pseudo is the sum of the pseudo-header (RFC 9568 section 5.2.8), zero where
// there is none.
func (a Advert) pseudo(src, dst netip.Addr, length int) uint32 {
	if a.Version == V2 || src.Is4() && a.Plain {
		return 0
	}
	return pseudo(src, dst, length)
}

func pseudo(src, dst netip.Addr, length int) uint32 {
	b := append(src.AsSlice(), dst.AsSlice()...)
	return uint32(sum(b, Protocol+uint32(length)))
}

// sum is the one's complement sum of 16-bit words (RFC 1071).
func sum(b []byte, start uint32) uint16 {
	s := start
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
