package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// SCTPEcho answers like TCPEcho on one-to-one associations, on one port of all addresses of both families.
func (h *Host) SCTPEcho(port int) (*Service, error) {
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = listenSCTP(port)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on sctp port %d of %s: %w", port, h.Name, err)
	}
	return h.echoLines(l), nil
}

func listenSCTP(port int) (net.Listener, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "sctp")
	defer f.Close() // net.FileListener makes a duplicate
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet6{Port: port}); err != nil {
		return nil, err
	}
	if err := unix.Listen(fd, 128); err != nil {
		return nil, err
	}
	return net.FileListener(f)
}

// DialSCTP makes a one-to-one association from the host.
func (h *Host) DialSCTP(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	timeout := dialTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	var c net.Conn
	err := h.Do(func() (err error) {
		c, err = dialSCTP(address, timeout)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial sctp %s on %s: %w", address, h.Name, err)
	}
	return c, nil
}

func dialSCTP(address netip.AddrPort, timeout time.Duration) (net.Conn, error) {
	family := unix.AF_INET6
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	if address.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "sctp")
	defer f.Close() // net.FileConn makes a duplicate
	tv := unix.NsecToTimeval(timeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, sa); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}
