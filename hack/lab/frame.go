package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Frame describes an Ethernet frame with an IPv4 packet, of the kinds that a director is attacked with. Its checksums are right.
type Frame struct {
	From, To       net.HardwareAddr
	Source, Target netip.AddrPort
	UDP            bool // else TCP with Flags
	Flags          byte // of TCP
	Sequence       uint32
	Fragment       uint16 // offset in units of eight bytes
	MoreFragments  bool
	ID             uint16
	Payload        []byte
	Raw            []byte // in place of all that follows the IP header
	HeaderLength   byte   // of IP in units of four bytes, 0 for the right one
}

// TCP flags.
const (
	FIN = 0x01
	SYN = 0x02
	ACK = 0x10
)

// Bytes is the frame as it goes over the wire.
func (f Frame) Bytes() []byte {
	transport := f.transport()
	b := make([]byte, 34, 34+len(transport))
	copy(b[0:], f.To)
	copy(b[6:], f.From)
	binary.BigEndian.PutUint16(b[12:], unix.ETH_P_IP)
	ip := b[14:34]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(transport)))
	binary.BigEndian.PutUint16(ip[4:], f.ID)
	fragment := f.Fragment
	if f.MoreFragments {
		fragment |= 0x2000
	}
	binary.BigEndian.PutUint16(ip[6:], fragment)
	ip[8], ip[9] = 64, f.protocol()
	source, target := f.Source.Addr().As4(), f.Target.Addr().As4()
	copy(ip[12:], source[:])
	copy(ip[16:], target[:])
	binary.BigEndian.PutUint16(ip[10:], ^sum(0, ip))
	return append(b, transport...)
}

func (f Frame) protocol() byte {
	if f.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

// transport is what follows the IP header.
func (f Frame) transport() []byte {
	if f.Raw != nil {
		return f.Raw
	}
	size, checksum := 20, 16
	if f.UDP {
		size, checksum = 8, 6
	}
	b := make([]byte, size, size+len(f.Payload))
	binary.BigEndian.PutUint16(b[0:], f.Source.Port())
	binary.BigEndian.PutUint16(b[2:], f.Target.Port())
	if f.UDP {
		binary.BigEndian.PutUint16(b[4:], uint16(size+len(f.Payload)))
	} else {
		binary.BigEndian.PutUint32(b[4:], f.Sequence)
		b[12], b[13] = 5<<4, f.Flags
		binary.BigEndian.PutUint16(b[14:], 65535)
	}
	b = append(b, f.Payload...)
	source, target := f.Source.Addr().As4(), f.Target.Addr().As4()
	pseudo := append(append(source[:], target[:]...), 0, f.protocol(), byte(len(b)>>8), byte(len(b)))
	binary.BigEndian.PutUint16(b[checksum:], ^sum(uint32(sum(0, pseudo)), b))
	return b
}

// sum is the sum of RFC 1071, before it is inverted.
func sum(start uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		start += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		start += uint32(b[0]) << 8
	}
	for start > 0xffff {
		start = start>>16 + start&0xffff
	}
	return uint16(start)
}

// SendFrames sends n frames from an interface of the host at a rate per second, and returns when all are sent.
func (h *Host) SendFrames(dev string, rate, n int, frame func(i int) []byte) error {
	link, err := h.nl.LinkByName(dev)
	if err != nil {
		return fmt.Errorf("find %s on %s: %w", dev, h.Name, err)
	}
	var fd int
	err = h.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("open a packet socket on %s: %w", h.Name, err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{Protocol: 0, Ifindex: link.Attrs().Index}
	start := time.Now()
	for i := range n {
		// A few at a time: a timer for each would be slower than the frames.
		if ahead := time.Duration(i)*time.Second/time.Duration(rate) - time.Since(start); ahead > 5*time.Millisecond {
			time.Sleep(ahead)
		}
		if err := unix.Sendto(fd, frame(i), 0, to); err != nil {
			return fmt.Errorf("send frame %d from %s: %w", i, h.Name, err)
		}
	}
	return nil
}
