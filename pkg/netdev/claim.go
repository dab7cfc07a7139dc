package netdev

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Claim is another host's word that an address is its own.
type Claim struct {
	Address netip.Addr
	MAC     net.HardwareAddr
}

// WatchClaims calls tell for every ARP packet and every neighbour advertisement
// that arrives on an Ethernet interface and whose sender says that one of the
// addresses is its own, until the context ends: then it returns nil. A filter in
// the kernel lets nothing else through. Where there are no such neighbours it
// returns at once. Packets from the interface's own hardware address are no claims.
func (d *Devices) WatchClaims(ctx context.Context, name string, addrs []netip.Addr, tell func(Claim)) error {
	l, err := d.link(name)
	if err != nil {
		return fmt.Errorf("watch for other owners on %s: %w", name, err)
	}
	a := l.Attrs()
	if a.EncapType != "ether" || a.RawFlags&unix.IFF_NOARP != 0 {
		return nil
	}
	var v4, v6 []netip.Addr
	for _, addr := range addrs {
		if addr.Is4() {
			v4 = append(v4, addr)
		} else {
			v6 = append(v6, addr)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 2)
	for _, w := range []struct {
		proto  uint16
		addrs  []netip.Addr
		filter []bpf.Instruction
		parse  func([]byte) (Claim, bool)
	}{
		{unix.ETH_P_ARP, v4, arpFilter(v4), arpClaim},
		{unix.ETH_P_IPV6, v6, ndFilter(v6), ndClaim},
	} {
		if len(w.addrs) == 0 {
			ended <- nil
			continue
		}
		go func() {
			err := receiveClaims(ctx, a.Index, w.proto, w.filter, func(b []byte) {
				if c, ok := w.parse(b); ok && !bytes.Equal(c.MAC, a.HardwareAddr) {
					tell(c)
				}
			})
			cancel(err)
			ended <- err
		}()
	}
	for range 2 {
		if e := <-ended; e != nil {
			err = fmt.Errorf("watch for other owners on %s: %w", name, e)
		}
	}
	return err
}

// receiveClaims receives what passes the filter until the context ends.
func receiveClaims(ctx context.Context, index int, proto uint16, filter []bpf.Instruction, tell func([]byte)) error {
	// The filter is there before the socket receives, so that nothing else comes.
	s, err := packetSocket(index, proto, filter)
	if err != nil {
		return err
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	for b := make([]byte, 128); ; {
		n, err := s.Read(b)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return os.NewSyscallError("receive", err)
		}
		tell(b[:n])
	}
}

// arpClaim takes the sender of an ARP packet; one without an address asks and
// claims nothing (RFC 5227 section 1.1).
func arpClaim(b []byte) (Claim, bool) {
	if len(b) < 28 || !bytes.HasPrefix(b, arpHead) {
		return Claim{}, false
	}
	addr := netip.AddrFrom4([4]byte(b[14:18]))
	return Claim{addr, bytes.Clone(b[8:14])}, !addr.IsUnspecified()
}

// Offsets in a neighbour advertisement with its IPv6 header (RFC 8200 section 3,
// RFC 4861 section 4.4).
const (
	atNextHeader = 6
	atHopLimit   = 7
	atType       = 40
	atTarget     = 48
	atOption     = 64
)

// ndClaim takes the target of a neighbour advertisement and its hardware address,
// which one that is a claim carries (RFC 4861 section 7.2.6).
func ndClaim(b []byte) (Claim, bool) {
	if len(b) < atOption+8 || b[atNextHeader] != nextHeaderICMP || b[atHopLimit] != 255 || b[atType] != typeAdvertisement ||
		b[atOption] != optTargetMAC || b[atOption+1] != 1 {
		return Claim{}, false
	}
	return Claim{netip.AddrFrom16([16]byte(b[atTarget:atOption])), bytes.Clone(b[atOption+2 : atOption+8])}, true
}

// enough is how many bytes of a packet a filter lets through.
const enough = 128

// most is how many addresses a filter compares: a filter has at most 4096
// instructions (BPF_MAXINSNS). Of more it lets every packet of the kind through.
const most = 400

// arpFilter passes ARP packets from one of the addresses.
func arpFilter(addrs []netip.Addr) []bpf.Instruction {
	var f []bpf.Instruction
	f = append(f, bpf.LoadAbsolute{Off: 14, Size: 4})
	return passOne(f, addrs, func(f []bpf.Instruction, addr netip.Addr) []bpf.Instruction {
		b := addr.As4()
		return append(f, bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(b[:]), SkipFalse: 1},
			bpf.RetConstant{Val: enough})
	})
}

// ndFilter passes neighbour advertisements of one of the addresses.
func ndFilter(addrs []netip.Addr) []bpf.Instruction {
	is := func(off, size int, value uint32) []bpf.Instruction {
		return []bpf.Instruction{
			bpf.LoadAbsolute{Off: uint32(off), Size: size},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: 1},
			bpf.RetConstant{Val: 0},
		}
	}
	f := append(is(atNextHeader, 1, nextHeaderICMP), is(atType, 1, typeAdvertisement)...)
	return passOne(f, addrs, func(f []bpf.Instruction, addr netip.Addr) []bpf.Instruction {
		b := addr.As16()
		for i := 0; i < len(b); i += 4 {
			// What is left of this address: two instructions a word, and the return.
			rest := uint8((len(b)-i-4)/2 + 1)
			f = append(f, bpf.LoadAbsolute{Off: uint32(atTarget + i), Size: 4},
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(b[i:]), SkipFalse: rest})
		}
		return append(f, bpf.RetConstant{Val: enough})
	})
}

// passOne ends a filter: what is of one of the addresses passes.
func passOne(f []bpf.Instruction, addrs []netip.Addr, pass func([]bpf.Instruction, netip.Addr) []bpf.Instruction) []bpf.Instruction {
	if len(addrs) > most {
		return append(f, bpf.RetConstant{Val: enough})
	}
	for _, addr := range addrs {
		f = pass(f, addr)
	}
	return append(f, bpf.RetConstant{Val: 0})
}
