package xdp

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// How a program is attached, else than in the driver (XDP_ATTACHED_*,
// uapi/linux/if_link.h).
const (
	attachedNone = 0
	attachedSKB  = 2
)

// attached is what rtnetlink says of an interface and of XDP on it: a BPF link does
// not tell its mode.
type attached struct {
	name    string        // of the interface
	mode    lvs.GuardMode // GuardAuto: nothing is attached
	program ebpf.ProgramID
}

// readLink asks for one interface; unix.ENODEV if there is none.
func readLink(index int) (attached, error) {
	dump, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return attached{}, fmt.Errorf("list the interfaces: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return attached{}, fmt.Errorf("list the interfaces: %w", err)
	}
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		if int(int32(binary.NativeEndian.Uint32(m.Data[4:]))) != index {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return attached{}, fmt.Errorf("read interface %d: %w", index, err)
		}
		return parseLink(attrs), nil
	}
	return attached{}, fmt.Errorf("read interface %d: %w", index, unix.ENODEV)
}

// parseLink reads IFLA_IFNAME and the attributes in IFLA_XDP (uapi/linux/if_link.h).
func parseLink(attrs []syscall.NetlinkRouteAttr) (a attached) {
	for _, attr := range attrs {
		if attr.Attr.Type == unix.IFLA_IFNAME {
			a.name = unix.ByteSliceToString(attr.Value)
		}
		if attr.Attr.Type&^unix.NLA_F_NESTED != unix.IFLA_XDP {
			continue
		}
		for kind, value := range nested(attr.Value) {
			switch {
			case kind == unix.IFLA_XDP_ATTACHED && len(value) == 1:
				a.mode = modeOf(value[0])
			case kind == unix.IFLA_XDP_PROG_ID && len(value) == 4:
				a.program = ebpf.ProgramID(binary.NativeEndian.Uint32(value))
			}
		}
	}
	return a
}

// modeOf reads one of XDP_ATTACHED_*. With both a driver's and a generic
// program, the driver's comes first.
func modeOf(b byte) lvs.GuardMode {
	switch b {
	case attachedNone:
		return lvs.GuardAuto
	case attachedSKB:
		return lvs.GuardGeneric
	}
	return lvs.GuardDriver
}

// nested reads a sequence of attributes: length and type, a value, padding to
// four bytes (netlink(7)). It ends where something is cut.
func nested(b []byte) func(yield func(kind uint16, value []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			length := int(binary.NativeEndian.Uint16(b))
			if length < 4 || length > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&^unix.NLA_F_NESTED, b[4:length]) {
				return
			}
			b = b[min(len(b), (length+3)&^3):]
		}
	}
}
