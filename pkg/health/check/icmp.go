package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// ICMP sends one echo request. It needs CAP_NET_RAW, or a group in
// net.ipv4.ping_group_range.
type ICMP struct{}

// Kind is "icmp".
func (*ICMP) Kind() string { return "icmp" }

func (*ICMP) compile(*builder) probe { return simple(ping) }

var errNoPing = errors.New("not permitted: needs CAP_NET_RAW or a group in net.ipv4.ping_group_range")

func ping(ctx context.Context, t Target) error {
	conn, raw, err := openPing(ctx, t)
	if err != nil {
		return fmt.Errorf("ping %s: %w", t.Address, cause(err))
	}
	b := newBounded(ctx, conn, maxAnswer)
	defer b.Close()
	want := newEcho(t)
	request, err := want.marshal()
	if err != nil {
		return fmt.Errorf("ping %s: %w", t.Address, err)
	}
	if _, err := b.Write(request); err != nil {
		return fmt.Errorf("ping %s: %w", t.Address, cause(err))
	}
	buf := make([]byte, 1500)
	for {
		n, err := b.Read(buf)
		if err != nil {
			return fmt.Errorf("ping %s: %w", t.Address, cause(err))
		}
		if want.answeredBy(buf[:n], raw) {
			return nil
		}
	}
}

// openPing prefers a ping socket, for which the kernel picks out the answers. A
// raw one, connected, sees every ICMP packet of the target. raw tells which.
func openPing(ctx context.Context, t Target) (conn net.Conn, raw bool, err error) {
	conn, err = openPingSocket(t)
	if err == nil || !errors.Is(err, os.ErrPermission) {
		return conn, false, err
	}
	network := "ip4:icmp"
	if t.Address.Is6() {
		network = "ip6:ipv6-icmp"
	}
	// Without the source, which control would give a late port: a raw socket has
	// none, and one of IPv6 refuses that.
	d := net.Dialer{LocalAddr: localAddr("ip", t.Source), Control: control(Target{Mark: t.Mark})}
	conn, err = d.DialContext(ctx, network, t.Address.String())
	if errors.Is(err, os.ErrPermission) {
		err = errNoPing
	}
	return conn, true, err
}

func openPingSocket(t Target) (net.Conn, error) {
	protocol := unix.IPPROTO_ICMP
	if t.Address.Is6() {
		protocol = unix.IPPROTO_ICMPV6
	}
	fd, err := openSocket(t, unix.SOCK_DGRAM, protocol)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "ping")
	defer f.Close() // net.FileConn duplicates it
	if err := unix.Connect(fd, sockaddr(netip.AddrPortFrom(t.Address, 0))); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(f)
}
