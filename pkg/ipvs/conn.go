package ipvs

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// answerTime is how long an answer may take. The kernel answers while it
	// takes the request, so only a lost answer lets this pass.
	answerTime = 5 * time.Second

	// queueSize is what the kernel may queue for this socket, in bytes; it
	// counts an error answer as about 1 KiB.
	queueSize = 1 << 20
)

// conn is a generic-netlink socket that speaks to IPVS in the namespace in
// which it was opened.
type conn struct {
	sock   *nl.NetlinkSocket
	family uint16
	seq    uint32
	out    buffer
	in     *inbox
}

func dial(family uint16) (*conn, error) {
	sock, err := nl.Subscribe(unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	// Error answers without the request that they are about are smaller. The
	// queue may stay as it is where the privilege to enlarge it is missing:
	// batches are as large as it bears.
	if err := unix.SetsockoptInt(sock.GetFd(), unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1); err != nil {
		sock.Close()
		return nil, fmt.Errorf("set up netlink socket: %w", err)
	}
	_ = sock.SetReceiveBufferSize(queueSize, true)
	return &conn{sock: sock, family: family, in: newInbox()}, nil
}

// queue is what the kernel may queue for this socket, in bytes.
func (c *conn) queue() int {
	n, err := unix.GetsockoptInt(c.sock.GetFd(), unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 0
	}
	return n
}

// send sends the messages in c.out in one system call.
func (c *conn) send() error {
	for {
		_, err := unix.Write(c.sock.GetFd(), c.out.b)
		switch err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.EAGAIN:
			if err := c.wait(unix.POLLOUT); err != nil {
				return fmt.Errorf("send to kernel: %w", err)
			}
		default:
			return fmt.Errorf("send to kernel: %w", err)
		}
	}
}

// receive waits for one datagram, valid until the next call.
func (c *conn) receive() ([]byte, error) {
	for {
		b, err := c.read()
		if !errors.Is(err, unix.EAGAIN) {
			return b, err
		}
		if err := c.wait(unix.POLLIN); err != nil {
			return nil, fmt.Errorf("receive from kernel: %w", err)
		}
	}
}

// read gives one datagram if there is one, else EAGAIN.
func (c *conn) read() ([]byte, error) {
	b, err := c.in.next(c.sock.GetFd())
	if err != nil {
		return nil, fmt.Errorf("receive from kernel: %w", err)
	}
	return b, nil
}

// wait waits until the socket is ready, or answerTime has passed.
func (c *conn) wait(events int16) error {
	fds := []unix.PollFd{{Fd: int32(c.sock.GetFd()), Events: events}}
	deadline := time.Now().Add(answerTime)
	for {
		n, err := unix.Poll(fds, max(0, int(time.Until(deadline)/time.Millisecond)))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return os.ErrDeadlineExceeded
		default:
			return nil
		}
	}
}
