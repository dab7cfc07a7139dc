package check

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Series is one target to which a Connector connects again and again.
type Series struct {
	Target  Target
	Timeout time.Duration // of each probe
	Slack   time.Duration // a probe may start half of it sooner or later, to start together with others

	// Done takes the outcome of a probe and tells how long after its start the
	// next one is to start. The Connector calls it and waits for it.
	Done func(started time.Time, r Result) time.Duration

	// The rest is the Connector's.

	to      address
	due     time.Time // of the next start, or the deadline of the probe that is under way
	place   int       // in the agenda
	started time.Time
	socket  int // of the probe that is under way, or noSocket
}

const noSocket = -1

// prepare makes what stays the same from probe to probe.
func (s *Series) prepare() {
	s.socket = noSocket
	s.to = addressOf(sockaddr(s.Target.addrPort()))
}

// open starts to connect. The error is nil when the connection is there already
// and EINPROGRESS when it is under way.
func (s *Series) open() error {
	if s.Target.Port == 0 {
		return errNoPort
	}
	fd, err := openSocket(s.Target, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	s.socket = fd
	if s.Target.Address.Zone() != "" {
		s.to = addressOf(sockaddr(s.Target.addrPort())) // the interface may be another one by now
	}
	return connectNow(fd, &s.to)
}

// outcome is how the connection ended of which poll(2) gave these events. It
// asks the kernel only if something is wrong.
func (s *Series) outcome(events uint32) error {
	if events&(unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		return nil
	}
	errno, err := unix.GetsockoptInt(s.socket, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return err
	case errno == 0:
		return errClosed
	}
	return unix.Errno(errno)
}

// close ends the probe's connection in an orderly way, with a FIN, as every other
// check does and keepalived too. An RST would spare the server's last packets
// and the local port its minute of TIME_WAIT, but many servers log it as a
// client's failure.
func (s *Series) close() {
	if s.socket != noSocket {
		closeNow(s.socket)
		s.socket = noSocket
	}
}

// result puts an outcome into words: those of every check that connects.
func (s *Series) result(err error, took time.Duration) Result {
	if err == nil {
		return Result{OK: true, Duration: took}
	}
	if !errors.Is(err, errNoPort) {
		err = connectFailure(s.Target.addrPort(), err)
	}
	return Result{Error: printable(err.Error()), Unasked: unasked(err), Duration: took}
}
