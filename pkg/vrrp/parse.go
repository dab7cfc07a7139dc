package vrrp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"
)

// Parse reads a packet that came from src to dst. It takes nothing on trust:
// what RFC 9568 section 7.1 and RFC 3768 section 7.1 have a receiver verify
// about a packet by itself is verified. The error is a Refusal, and the Advert
// is of no use then.
func Parse(b []byte, src, dst netip.Addr) (Advert, error) {
	if len(b) < header {
		return Advert{}, refuse(Truncated, "%d bytes", len(b))
	}
	a := Advert{Version: Version(b[0] >> 4), VRID: b[1], Priority: b[2]}
	switch {
	case a.Version != V2 && a.Version != V3, a.Version == V2 && !src.Is4():
		return Advert{}, refuse(WrongVersion, "version %d", a.Version)
	case b[0]&0xf != typeAdvert:
		return Advert{}, refuse(WrongType, "type %d", b[0]&0xf)
	case a.VRID == 0:
		return Advert{}, refuse(WrongVRID, "VRID 0")
	}
	if err := a.parseAddresses(b, src); err != nil {
		return Advert{}, err
	}
	if err := a.parseChecksum(b, src, dst); err != nil {
		return Advert{}, err
	}
	if a.Version == V2 {
		err := a.parseV2(b)
		return a, err
	}
	// The four bits before the interval are reserved and ignored (RFC 9568 section
	// 5.2.6).
	a.Interval = time.Duration(binary.BigEndian.Uint16(b[4:])&most3) * unit3
	if a.Interval == 0 {
		return Advert{}, refuse(WrongInterval, "interval 0")
	}
	return a, nil
}

// parseAddresses reads the addresses after holding that the packet has exactly
// the length that their number asks for.
func (a *Advert) parseAddresses(b []byte, src netip.Addr) error {
	count, size := int(b[3]), src.BitLen()/8
	want := header + count*size
	if a.Version == V2 {
		want += MaxPassword
	}
	switch {
	case count == 0:
		return refuse(WrongAddresses, "no addresses")
	case len(b) < want:
		return refuse(Truncated, "%d bytes for %d addresses", len(b), count)
	case len(b) > want:
		return refuse(WrongLength, "%d bytes for %d addresses", len(b), count)
	}
	for i := range count {
		addr, _ := netip.AddrFromSlice(b[header+i*size : header+(i+1)*size])
		a.Addresses = append(a.Addresses, addr)
	}
	return nil
}

func (a *Advert) parseChecksum(b []byte, src, dst netip.Addr) error {
	if sum(b, a.pseudo(src, dst, len(b))) == 0xffff {
		return nil
	}
	if a.Version == V3 && src.Is4() && sum(b, 0) == 0xffff {
		a.Plain = true
		return nil
	}
	return refuse(WrongChecksum, "checksum %#04x", binary.BigEndian.Uint16(b[6:]))
}

func (a *Advert) parseV2(b []byte) error {
	a.Interval = time.Duration(b[5]) * unit2
	if a.Interval == 0 {
		return refuse(WrongInterval, "interval 0")
	}
	switch b[4] {
	case authNone:
		return nil
	case authPass:
		password := bytes.TrimRight(b[len(b)-MaxPassword:], "\x00")
		if len(password) == 0 || bytes.IndexByte(password, 0) >= 0 {
			return refuse(WrongAuth, "not a password")
		}
		a.Password = string(password)
		return nil
	}
	return refuse(WrongAuth, "authentication type %d", b[4])
}
