package ipvs

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// errInterrupted says that the table changed while it was dumped.
var errInterrupted = errors.New("dump interrupted by a change")

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
