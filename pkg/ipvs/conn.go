package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// answerTime is how long an answer may take. The kernel answers while it
	// takes the request, so only a lost answer lets this pass.
	answerTime = 5 * time.Second

	// receiveSize holds the largest datagram of a dump: the kernel makes them
	// as large as the buffer that it last saw, up to 32 KiB
	// (netlink_recvmsg, net/netlink/af_netlink.c).
	receiveSize = 64 << 10

	// queueSize is what the kernel may queue for this socket, in bytes; it
	// counts an error answer as about 1 KiB.
	queueSize = 1 << 20
)

// errInterrupted says that the table changed while it was dumped.
var errInterrupted = errors.New("dump interrupted by a change")

// conn is a generic-netlink socket that speaks to IPVS in the namespace in
// which it was opened.
type conn struct {
	sock   *nl.NetlinkSocket
	family uint16
	seq    uint32
	out    buffer
	in     []byte
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
	return &conn{sock: sock, family: family, in: make([]byte, receiveSize)}, nil
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
	for {
		n, err := unix.Read(c.sock.GetFd(), c.in)
		if err == nil {
			return c.in[:n], nil
		}
		if err != unix.EINTR {
			return nil, fmt.Errorf("receive from kernel: %w", err)
		}
	}
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

// message is one answer.
type message struct {
	typ, flags uint16
	seq        uint32
	body       []byte // what follows the netlink header
}

// nextMessage splits a datagram after its first message.
func nextMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < unix.SizeofNlMsghdr {
		return message{}, nil, errTruncated
	}
	n := int(binary.NativeEndian.Uint32(b))
	if n < unix.SizeofNlMsghdr || n > len(b) {
		return message{}, nil, errTruncated
	}
	m = message{
		typ:   binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		body:  b[unix.SizeofNlMsghdr:n],
	}
	return m, b[min(align(n), len(b)):], nil
}

// err is the outcome that a NLMSG_ERROR or NLMSG_DONE message tells.
func (m message) err() error {
	if len(m.body) < 4 {
		return errTruncated
	}
	if errno := int32(binary.NativeEndian.Uint32(m.body)); errno < 0 {
		return unix.Errno(-errno)
	}
	return nil
}

// dump asks for a list, of the servers of a service if a key is given, and
// calls f with the attributes of each entry. It reads to the end even after an
// error, because a socket with an unread dump refuses the next one.
func (c *conn) dump(cmd uint8, key *lvs.ServiceKey, f func(attributes []byte) error) error {
	c.seq++
	c.out.b = c.out.b[:0]
	at := c.out.message(c.family, unix.NLM_F_DUMP, c.seq, cmd)
	if key != nil {
		nest := c.out.begin(attrService | unix.NLA_F_NESTED)
		c.out.key(*key)
		c.out.end(nest)
	}
	c.out.endMessage(at)
	if err := c.send(); err != nil {
		return err
	}
	var first error
	for {
		b, err := c.receive()
		if errors.Is(err, unix.ENOBUFS) {
			first = errors.Join(first, err)
			continue
		}
		if err != nil {
			return errors.Join(first, err)
		}
		done, err := c.dumped(b, f)
		if err != nil && first == nil {
			first = err
		}
		if done {
			return first
		}
	}
}

// dumped handles one datagram of a dump and tells whether it was the last one.
func (c *conn) dumped(b []byte, f func([]byte) error) (done bool, first error) {
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err != nil {
			return true, err
		}
		b = rest
		switch {
		case m.seq != c.seq: // the answer to a request that timed out
			continue
		case m.typ == unix.NLMSG_DONE || m.typ == unix.NLMSG_ERROR:
			return true, errors.Join(first, m.err())
		case first != nil:
			continue
		case m.flags&unix.NLM_F_DUMP_INTR != 0:
			first = errInterrupted
		case len(m.body) < unix.GENL_HDRLEN:
			first = errTruncated
		default:
			first = f(m.body[unix.GENL_HDRLEN:])
		}
	}
	return false, first
}
