package vrrp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// socket is a raw socket on one interface.
type socket struct {
	place
	fd     int
	framer *framer // nil without a hardware address of the virtual router's own
	buffer []byte
	failed chan error // capacity 1

	mu     sync.Mutex
	closed bool
}

// received is a packet with what its IP header says.
type received struct {
	payload  []byte
	src, dst netip.Addr
	ttl      int
}

// internetControl is the traffic class of routing protocols (RFC 791).
const internetControl = 0xc0

func openSocket(p place, multicast bool, v Virtual) (*socket, error) {
	family := unix.AF_INET
	if p.source.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, Protocol)
	if err != nil {
		return nil, err
	}
	if err := configure(fd, p, multicast); err != nil {
		unix.Close(fd)
		return nil, err
	}
	s := &socket{place: p, fd: fd, buffer: make([]byte, 64<<10), failed: make(chan error, 1)}
	if multicast && v.Interface != "" {
		if s.framer, err = openFramer(p, v); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	return s, nil
}

func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	unix.Close(s.fd)
	if s.framer != nil {
		s.framer.close()
	}
}

// use does something with the descriptor unless the socket is closed.
func (s *socket) use(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return unix.EBADF
	}
	return f()
}

// option is one socket option.
type option struct {
	name, value int
}

func configure(fd int, p place, multicast bool) error {
	if err := unix.BindToDevice(fd, p.name); err != nil {
		return err
	}
	level, options := unix.IPPROTO_IP, []option{
		{unix.IP_TTL, TTL}, {unix.IP_MULTICAST_TTL, TTL}, {unix.IP_MULTICAST_LOOP, 0}, {unix.IP_TOS, internetControl},
	}
	join := func() error {
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: Group4.As4(), Ifindex: int32(p.index)})
	}
	if p.source.Is6() {
		level, options = unix.IPPROTO_IPV6, []option{
			{unix.IPV6_UNICAST_HOPS, TTL}, {unix.IPV6_MULTICAST_HOPS, TTL}, {unix.IPV6_MULTICAST_LOOP, 0},
			{unix.IPV6_TCLASS, internetControl}, {unix.IPV6_RECVHOPLIMIT, 1}, {unix.IPV6_RECVPKTINFO, 1},
		}
		join = func() error {
			return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
				&unix.IPv6Mreq{Multiaddr: Group6.As16(), Interface: uint32(p.index)})
		}
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, level, o.name, o.value); err != nil {
			return err
		}
	}
	if !multicast {
		return nil
	}
	return join()
}

// send sends an advert from the link's own address. It never waits: a packet
// for which there is no room is one that the next one replaces.
func (s *socket) send(a Advert, to netip.Addr) error {
	b, err := a.Marshal(s.source, to)
	if err != nil {
		return err
	}
	var control []byte
	var target unix.Sockaddr
	if to.Is4() {
		control = unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: int32(s.index), Spec_dst: s.source.As4()})
		target = &unix.SockaddrInet4{Addr: to.As4()}
	} else {
		control = unix.PktInfo6(&unix.Inet6Pktinfo{Ifindex: uint32(s.index), Addr: s.source.As16()})
		target = &unix.SockaddrInet6{Addr: to.As16(), ZoneId: uint32(s.index)}
	}
	return s.use(func() error {
		if s.framer != nil && s.framer.here.Load() {
			return s.framer.send(b, s.source, to)
		}
		return unix.Sendmsg(s.fd, b, control, target, unix.MSG_DONTWAIT)
	})
}

// transient tells whether a link may work although a packet was not sent.
func transient(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EPERM) ||
		errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ECONNREFUSED)
}

// fail makes the link be opened anew because of an error.
func (s *socket) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// receive takes a packet. The error is a Refusal if it is none, and unix.EAGAIN
// if there is no more.
func (s *socket) receive() (received, error) {
	var control [128]byte
	var n, controlled int
	var from unix.Sockaddr
	err := s.use(func() (err error) {
		n, controlled, _, from, err = unix.Recvmsg(s.fd, s.buffer, control[:], unix.MSG_DONTWAIT)
		return err
	})
	if err != nil {
		return received{}, err
	}
	if lvs.FamilyOf(s.source) == lvs.IPv4 {
		return parseIPv4(s.buffer[:n])
	}
	var src netip.Addr
	if six, ok := from.(*unix.SockaddrInet6); ok {
		src = netip.AddrFrom16(six.Addr)
	}
	return parseIPv6(s.buffer[:n], src, control[:controlled])
}

// parseIPv4 takes off the IPv4 header, which a raw socket delivers (raw(7)).
func parseIPv4(b []byte) (received, error) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return received{}, refuse(Truncated, "%d bytes", len(b))
	}
	start, end := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	if start < 20 || start > end || end > len(b) {
		return received{}, refuse(Truncated, "header of %d and packet of %d bytes in %d", start, end, len(b))
	}
	return received{
		payload: b[start:end],
		src:     netip.AddrFrom4([4]byte(b[12:16])),
		dst:     netip.AddrFrom4([4]byte(b[16:20])),
		ttl:     int(b[8]),
	}, nil
}

// parseIPv6 takes hop limit and target from the control messages, where
// ipv6(7) has them.
func parseIPv6(b []byte, src netip.Addr, control []byte) (received, error) {
	p := received{payload: b, src: src}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return received{}, refuse(Truncated, "control messages: %v", err)
	}
	for _, m := range messages {
		switch {
		case m.Header.Level != unix.IPPROTO_IPV6:
		case m.Header.Type == unix.IPV6_HOPLIMIT && len(m.Data) >= 4:
			p.ttl = int(binary.NativeEndian.Uint32(m.Data))
		case m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 16:
			p.dst = netip.AddrFrom16([16]byte(m.Data))
		}
	}
	return p, nil
}
