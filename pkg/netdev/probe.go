package netdev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ProbeARP asks on an Ethernet interface who has an IPv4 address, and gives the
// hardware addresses of those who answer within the time, sorted. The question is
// that of RFC 5227 section 2.1.1: it does not change anybody's ARP cache. The
// host's own answers are not heard on the interface that asks.
func (d *Devices) ProbeARP(ctx context.Context, name string, ip netip.Addr, wait time.Duration) ([]net.HardwareAddr, error) {
	l, err := d.link(name)
	if err != nil {
		return nil, fmt.Errorf("ask for %s on %s: %w", ip, name, err)
	}
	a := l.Attrs()
	if a.EncapType != "ether" || a.RawFlags&unix.IFF_NOARP != 0 {
		return nil, nil
	}
	answers, err := probeARP(ctx, a.Index, a.HardwareAddr, ip, wait)
	if err != nil {
		return nil, fmt.Errorf("ask for %s on %s: %w", ip, name, err)
	}
	return answers, nil
}

func probeARP(ctx context.Context, index int, mac net.HardwareAddr, ip netip.Addr, wait time.Duration) ([]net.HardwareAddr, error) {
	s, err := packetSocket(index, unix.ETH_P_ARP, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := send(index, unix.ETH_P_ARP, broadcastMAC, arpProbe(mac, ip)); err != nil {
		return nil, err
	}
	var answers []net.HardwareAddr
	for b := make([]byte, 128); ; {
		n, err := s.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
			return answers, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		from, ok := arpAnswer(b[:n], ip)
		at, found := slices.BinarySearchFunc(answers, from, func(a, b net.HardwareAddr) int { return bytes.Compare(a, b) })
		if ok && !found {
			answers = slices.Insert(answers, at, from)
		}
	}
}

// packetSocket receives the packets of one protocol that pass a filter from an
// interface, without their link-layer header.
func packetSocket(index int, proto uint16, filter []bpf.Instruction) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	if filter != nil {
		err = attach(fd, filter)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(proto), Ifindex: index})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind a packet socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "packet"), nil
}

// attach gives a socket a filter.
func attach(fd int, filter []bpf.Instruction) error {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}
