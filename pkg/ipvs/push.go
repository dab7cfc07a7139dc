package ipvs

import (
	"context"
	"fmt"
	"net"
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
	// pushBytes is the length of a message if the daemon's is not set: it fits
	// Ethernet with IPv4 and with IPv6.
	pushBytes = 1400
)

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
	conn, err := dialGroup(ctx, d)
	if err != nil {
		return Pushed{}, fmt.Errorf("push connections to %s: %w", d.Target(), err)
	}
	defer conn.Close()
	limit := pushBytes
	if d.MaxLen != 0 {
		limit = min(limit, int(d.MaxLen))
	}
	p := &pusher{ctx: ctx, conn: conn, message: NewSyncMessage(d.ID, limit), belonging: NewBelonging(services)}
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
func dialGroup(ctx context.Context, d lvs.SyncDaemon) (net.Conn, error) {
	device, err := net.InterfaceByName(d.Interface)
	if err != nil {
		return nil, fmt.Errorf("find interface %s: %w", d.Interface, err)
	}
	target := d.Target()
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if errControl := raw.Control(func(fd uintptr) {
			err = multicastOn(int(fd), target.Addr().Is6(), device, max(int(d.TTL), 1))
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
