package vrrp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// framer sends adverts from the virtual router's hardware address (RFC 9568
// section 7.2), so that switches learn where it is.
type framer struct {
	fd    int
	index int // of the interface
	mac   net.HardwareAddr
	// here is whether the hardware address is this host's already. A switch that learns
	// it too early sends the clients' packets to a host that does not take them.
	here atomic.Bool
}

// openFramer opens a packet socket that sends and receives nothing.
func openFramer(p place, v Virtual) (*framer, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return &framer{fd: fd, index: p.index, mac: v.MAC}, nil
}

func (f *framer) close() { unix.Close(f.fd) }

func (f *framer) send(payload []byte, src, dst netip.Addr) error {
	frame := ethernet(f.mac, src, dst, payload)
	to := &unix.SockaddrLinklayer{Ifindex: f.index, Halen: 6}
	copy(to.Addr[:], frame[:6])
	return unix.Sendto(f.fd, frame, unix.MSG_DONTWAIT, to)
}

// ethernet puts an advert for a multicast group into a frame. The group's hardware
// address follows from its own (RFC 1112 section 6.4, RFC 2464 section 7).
func ethernet(from net.HardwareAddr, src, dst netip.Addr, payload []byte) []byte {
	group := dst.AsSlice()
	last := group[len(group)-4:]
	if src.Is6() {
		b := append([]byte{0x33, 0x33}, last...)
		b = append(b, from...)
		b = append(b, 0x86, 0xdd, 0x60|internetControl>>4, internetControl<<4&0xff, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
		b = append(b, Protocol, TTL)
		b = append(b, src.AsSlice()...)
		b = append(b, group...)
		return append(b, payload...)
	}
	b := append([]byte{0x01, 0x00, 0x5e, last[1] & 0x7f}, last[2:]...)
	b = append(b, from...)
	b = append(b, 0x08, 0x00)
	ip := []byte{0x45, internetControl}
	ip = binary.BigEndian.AppendUint16(ip, uint16(20+len(payload)))
	ip = append(ip, 0, 0, 0x40, 0, TTL, Protocol, 0, 0) // no fragments, and so no identification (RFC 6864)
	ip = append(ip, src.AsSlice()...)
	ip = append(ip, group...)
	binary.BigEndian.PutUint16(ip[10:], ^sum(ip, 0))
	return append(append(b, ip...), payload...)
}
