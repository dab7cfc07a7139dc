package ipvs

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// What is pushed is paced: burst messages at once, then a pause, some 40,000
// connections a second.
const (
	burst     = 10
	pushPause = 10 * time.Millisecond
	// pushBytes is the length of a message if nothing asks for less: it fits Ethernet
	// with IPv4 and with IPv6.
	pushBytes = 1400
	// headerBytes are those of IPv6 and UDP.
	headerBytes = 48
)

// longest is the longest message to send. A backup takes none that is longer than its
// own daemon would send, which is what fits the interface if nothing else is said.
func longest(d lvs.SyncDaemon, mtu int) int {
	n := min(pushBytes, mtu-headerBytes)
	if d.MaxLen != 0 {
		n = min(n, int(d.MaxLen))
	}
	return n
}

// Pushed is what a push came to.
type Pushed struct {
	Connections int
	Templates   int // of persistence
	Left        int // connections whose service is not in the table any more
}

// Push sends all connections of the network namespace to the backups of a sync
// daemon, in the kernel's own messages. The kernel itself sends a connection only
// when packets of it pass, so a backup that starts late never hears of idle ones.
// What a backup has already it only refreshes. services are those of the kernel.
func Push(ctx context.Context, d lvs.SyncDaemon, services []lvs.Service) (Pushed, error) {
	list, err := os.Open(ConnectionsPath)
	if err != nil {
		return Pushed{}, fmt.Errorf("push connections: %w", err)
	}
	defer list.Close()
	device, err := net.InterfaceByName(d.Interface)
	if err != nil {
		return Pushed{}, fmt.Errorf("push connections: find interface %s: %w", d.Interface, err)
	}
	conn, err := dialGroup(ctx, d.Target(), device, max(int(d.TTL), 1))
	if err != nil {
		return Pushed{}, fmt.Errorf("push connections to %s: %w", d.Target(), err)
	}
	defer conn.Close()
	p := &pusher{ctx: ctx, conn: conn, message: NewSyncMessage(d.ID, longest(d, device.MTU)), belonging: NewBelonging(services)}
	if err := ReadConnections(list, p.add); err != nil {
		return p.done, fmt.Errorf("push connections to %s: %w", d.Target(), err)
	}
	if err := p.flush(); err != nil {
		return p.done, fmt.Errorf("push connections to %s: %w", d.Target(), err)
	}
	return p.done, nil
}

type pusher struct {
	ctx       context.Context // of the one Push
	conn      net.Conn
	message   *SyncMessage
	belonging *Belonging
	messages  int
	done      Pushed
}

func (p *pusher) add(c Connection) error {
	if !p.belonging.Of(&c) {
		p.done.Left++
		return nil
	}
	if !p.message.Add(c) {
		if err := p.flush(); err != nil {
			return err
		}
		if !p.message.Add(c) {
			p.done.Left++ // a message is too short for the engine's data
			return nil
		}
	}
	if c.Template {
		p.done.Templates++
	} else {
		p.done.Connections++
	}
	return nil
}

func (p *pusher) flush() error {
	if p.message.Count() == 0 {
		return nil
	}
	if _, err := p.conn.Write(p.message.Bytes()); err != nil {
		return err
	}
	p.message.Reset()
	if p.messages++; p.messages%burst != 0 {
		return nil
	}
	select {
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-time.After(pushPause):
		return nil
	}
}

// dialGroup opens a socket like that of the kernel's master.
func dialGroup(ctx context.Context, target netip.AddrPort, device *net.Interface, ttl int) (net.Conn, error) {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if errControl := raw.Control(func(fd uintptr) {
			err = multicastOn(int(fd), target.Addr().Is6(), device, ttl)
		}); errControl != nil {
			return errControl
		}
		return err
	}}
	return dialer.DialContext(ctx, "udp", target.String())
}

func multicastOn(fd int, six bool, device *net.Interface, ttl int) error {
	if err := unix.BindToDevice(fd, device.Name); err != nil {
		return err
	}
	if six {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, device.Index); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, ttl)
	}
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(device.Index)}); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, ttl)
}
