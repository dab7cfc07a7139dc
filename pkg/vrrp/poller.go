package vrrp

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// poller lets a thread sleep in poll(2) rather than in the Go scheduler: the
// kernel wakes it by its own priority, without the help of another thread.
type poller struct {
	event int

	mu     sync.Mutex
	closed bool
}

func newPoller() (*poller, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open an eventfd: %w", err)
	}
	return &poller{event: fd}, nil
}

func (p *poller) wait(until time.Time, files []int) {
	fds := make([]unix.PollFd, 1, len(files)+1)
	fds[0] = unix.PollFd{Fd: int32(p.event), Events: unix.POLLIN}
	for _, f := range files {
		fds = append(fds, unix.PollFd{Fd: int32(f), Events: unix.POLLIN})
	}
	var timeout *unix.Timespec
	if !until.IsZero() {
		t := unix.NsecToTimespec(max(int64(time.Until(until)), 0))
		timeout = &t
	}
	// A signal ends the sleep early, which does no harm.
	_, _ = unix.Ppoll(fds, timeout, nil)
	if fds[0].Revents == 0 {
		return
	}
	var count [8]byte
	_, _ = unix.Read(p.event, count[:])
}

func (p *poller) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		// Full is as good: the thread wakes.
		_, _ = unix.Write(p.event, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	unix.Close(p.event)
}
