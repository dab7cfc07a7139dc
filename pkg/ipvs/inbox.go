package ipvs

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// datagramSize holds the largest datagram of a dump: the kernel makes them
	// as large as the buffer that it last saw, up to 32 KiB
	// (netlink_recvmsg, net/netlink/af_netlink.c).
	datagramSize = 32 << 10

	// inboxSize is for a short dump and its end, a datagram of its own.
	inboxSize = 2
)

// inbox receives several datagrams in one system call by recvmmsg(2), which
// golang.org/x/sys does not have. System calls are most of the time of reading a
// table, and this saves one of the three that a service costs.
type inbox struct {
	headers []datagram
	buffers [][]byte
	waiting [][]byte // received and not yet given out
}

// datagram is struct mmsghdr.
type datagram struct {
	header unix.Msghdr
	length uint32
}

func newInbox() *inbox {
	in := &inbox{headers: make([]datagram, inboxSize)}
	for i := range in.headers {
		b := make([]byte, datagramSize)
		vector := &unix.Iovec{Base: &b[0]}
		vector.SetLen(len(b))
		in.headers[i].header.Iov = vector
		in.headers[i].header.SetIovlen(1)
		in.buffers = append(in.buffers, b)
	}
	return in
}

// next gives one datagram, valid until the next call, or EAGAIN if there is none.
func (in *inbox) next(fd int) ([]byte, error) {
	if len(in.waiting) == 0 {
		n, err := in.receive(fd)
		if err != nil {
			return nil, err
		}
		for i := range n {
			in.waiting = append(in.waiting, in.buffers[i][:in.headers[i].length])
		}
	}
	b := in.waiting[0]
	in.waiting = in.waiting[:copy(in.waiting, in.waiting[1:])]
	return b, nil
}

// receive fills the buffers and tells how many of them: one at least.
func (in *inbox) receive(fd int) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&in.headers[0])),
			uintptr(len(in.headers)), unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}
