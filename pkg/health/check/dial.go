package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// maxAnswer is how many bytes a check reads of a protocol with short answers.
const maxAnswer = 64 << 10

var errNoPort = errors.New("no port to check: the service has none, give the check one")

// dial connects to the target over "tcp" or "udp". The connection obeys the
// context whatever its user does with deadlines, and gives errTooLong after
// limit bytes.
func dial(ctx context.Context, network string, t Target, limit int) (net.Conn, error) {
	if t.Port == 0 {
		return nil, errNoPort
	}
	d := net.Dialer{
		KeepAlive: -1, // the deadline is shorter; saves four system calls a check
		LocalAddr: localAddr(network, t.Source),
		Control:   control(t),
	}
	c, err := d.DialContext(ctx, network, t.addrPort().String())
	if err != nil {
		return nil, connectFailure(t.addrPort(), err)
	}
	return newBounded(ctx, c, limit), nil
}

// connect is dial over TCP for short answers.
func connect(ctx context.Context, t Target) (net.Conn, error) {
	return dial(ctx, "tcp", t, maxAnswer)
}

// connectFailure is the error of a connection that did not come about.
func connectFailure(to netip.AddrPort, err error) error {
	return fmt.Errorf("connect %s: %w", to, cause(err))
}

func localAddr(network string, source netip.Addr) net.Addr {
	switch {
	case !source.IsValid():
		return nil
	case network == "udp":
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	case network == "tcp":
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	return &net.IPAddr{IP: source.AsSlice(), Zone: source.Zone()}
}

// control prepares a socket of net before its first packet.
func control(t Target) func(network, address string, c syscall.RawConn) error {
	if t.Mark == 0 && !t.Source.IsValid() {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) { err = t.prepare(int(fd)) }); cerr != nil {
			return cerr
		}
		return err
	}
}

// bounded is a connection that ends with its context and after so many bytes.
type bounded struct {
	net.Conn
	stop func() bool
	left int
}

func newBounded(ctx context.Context, c net.Conn, limit int) *bounded {
	if at, ok := ctx.Deadline(); ok {
		// It fails only on a closed connection, which every read tells too.
		_ = c.SetDeadline(at)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	return &bounded{Conn: c, stop: stop, left: limit}
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errTooLong
	}
	if len(p) > b.left {
		p = p[:b.left]
	}
	n, err := b.Conn.Read(p)
	b.left -= n
	return n, err
}

func (b *bounded) Close() error {
	b.stop()
	return b.Conn.Close()
}

// The deadline of the whole check holds; a library that would move it, or
// clear it, does not.

func (b *bounded) SetDeadline(time.Time) error      { return nil }
func (b *bounded) SetReadDeadline(time.Time) error  { return nil }
func (b *bounded) SetWriteDeadline(time.Time) error { return nil }
