package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// errTruncated says that the kernel's answer ends inside of a value.
var errTruncated = errors.New("truncated netlink attribute")

const (
	attrHeader  = unix.SizeofNlAttr
	attrAlign   = unix.NLA_ALIGNTO
	attrTypeMax = ^uint16(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
)

func align(n int) int { return (n + attrAlign - 1) &^ (attrAlign - 1) }

// buffer is netlink messages under construction. The attribute trees of
// netlink/nl cost some forty allocations for a destination; a bulk write has a
// hundred thousand of them.
type buffer struct {
	b []byte
}

// begin starts an attribute and returns its place for end.
func (w *buffer) begin(typ uint16) int {
	at := len(w.b)
	w.b = append(w.b, 0, 0)
	w.b = binary.NativeEndian.AppendUint16(w.b, typ)
	return at
}

// end closes the attribute that began at a place: its length and padding.
func (w *buffer) end(at int) {
	n := len(w.b) - at
	binary.NativeEndian.PutUint16(w.b[at:], uint16(n))
	for ; n < align(n); n++ {
		w.b = append(w.b, 0)
	}
}

func (w *buffer) bytes(typ uint16, value []byte) {
	at := w.begin(typ)
	w.b = append(w.b, value...)
	w.end(at)
}

func (w *buffer) uint8(typ uint16, v uint8) {
	w.bytes(typ, []byte{v})
}

func (w *buffer) uint16(typ uint16, v uint16) {
	at := w.begin(typ)
	w.b = binary.NativeEndian.AppendUint16(w.b, v)
	w.end(at)
}

func (w *buffer) uint32(typ uint16, v uint32) {
	at := w.begin(typ)
	w.b = binary.NativeEndian.AppendUint32(w.b, v)
	w.end(at)
}

// port writes a port in network order.
func (w *buffer) port(typ uint16, v uint16) {
	at := w.begin(typ)
	w.b = binary.BigEndian.AppendUint16(w.b, v)
	w.end(at)
}

// name writes a string with its terminating zero.
func (w *buffer) name(typ uint16, s string) {
	at := w.begin(typ)
	w.b = append(append(w.b, s...), 0)
	w.end(at)
}

func (w *buffer) address(typ uint16, a netip.Addr) {
	at := w.begin(typ)
	if a.Is4() {
		v := a.As4()
		w.b = append(w.b, v[:]...)
	} else {
		v := a.As16()
		w.b = append(w.b, v[:]...)
	}
	w.end(at)
}

// attrs walks over attributes in the way of a bufio.Scanner: next moves to the
// following one, the value methods read it, and err, looked at once in the end,
// tells of data cut short anywhere.
type attrs struct {
	rest  []byte
	typ   uint16
	value []byte
	err   error
}

func (a *attrs) next() bool {
	if a.err != nil || len(a.rest) == 0 {
		return false
	}
	if len(a.rest) < attrHeader {
		return a.fail()
	}
	n := int(binary.NativeEndian.Uint16(a.rest))
	if n < attrHeader || n > len(a.rest) {
		return a.fail()
	}
	a.typ = binary.NativeEndian.Uint16(a.rest[2:]) & attrTypeMax
	a.value = a.rest[attrHeader:n]
	a.rest = a.rest[min(align(n), len(a.rest)):]
	return true
}

func (a *attrs) fail() bool {
	a.err = errTruncated
	return false
}

// need gives the first n bytes of the value, or zeroes and an error.
func (a *attrs) need(n int) []byte {
	if len(a.value) < n {
		a.fail()
		return make([]byte, n)
	}
	return a.value[:n]
}

func (a *attrs) uint8() uint8   { return a.need(1)[0] }
func (a *attrs) uint16() uint16 { return binary.NativeEndian.Uint16(a.need(2)) }
func (a *attrs) uint32() uint32 { return binary.NativeEndian.Uint32(a.need(4)) }
func (a *attrs) port() uint16   { return binary.BigEndian.Uint16(a.need(2)) }

// counter reads a statistic of 32 or 64 bits.
func (a *attrs) counter() uint64 {
	if len(a.value) < 8 {
		return uint64(a.uint32())
	}
	return binary.NativeEndian.Uint64(a.value)
}

// name reads a string up to its terminating zero.
func (a *attrs) name() string {
	for i, c := range a.value {
		if c == 0 {
			return string(a.value[:i])
		}
	}
	return string(a.value)
}

// parseAddress reads an address of a family from the kernel's union of both
// kinds (union nf_inet_addr).
func parseAddress(b []byte, f lvs.Family) (netip.Addr, error) {
	switch {
	case f == lvs.IPv4 && len(b) >= 4:
		return netip.AddrFrom4([4]byte(b)), nil
	case f == lvs.IPv6 && len(b) >= 16:
		return netip.AddrFrom16([16]byte(b)), nil
	}
	return netip.Addr{}, fmt.Errorf("address of %s in %d bytes: %w", f, len(b), errTruncated)
}

// family translates a family of the socket API.
func family(af uint16) (lvs.Family, error) {
	switch af {
	case unix.AF_INET:
		return lvs.IPv4, nil
	case unix.AF_INET6:
		return lvs.IPv6, nil
	}
	return 0, fmt.Errorf("unknown address family %d", af)
}

func socketFamily(f lvs.Family) uint16 {
	if f == lvs.IPv4 {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
