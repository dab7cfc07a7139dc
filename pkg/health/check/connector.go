package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Connector makes the checks that only connect, for most directors all that they
// have, and by the thousand each second. One goroutine makes all of them and
// never waits for one: a probe costs the system calls socket, connect and close,
// epoll_ctl if the answer takes its time, no goroutine, no timer of its own and
// no memory, and all that starts at about the same time shares the calls that
// wait.
type Connector struct {
	fd    int
	epoll *os.File // fd, in Go's own poller, so that waiting for it holds no thread
	raw   syscall.RawConn
	alarm alarm

	mu    sync.Mutex
	inbox []func() // what others want done, in their order

	// The rest belongs to Run.

	began  time.Time
	agenda agenda
	under  map[int32]ticket // by the socket
	serial int32
	events []unix.EpollEvent
	fresh  []*Series     // started and not looked at yet
	polled []unix.PollFd // their sockets
}

// ticket is a probe that epoll looks after. A child between fork and exec keeps a closed
// socket open for a moment; its events are told from those of the next socket of
// the same number by the serial.
type ticket struct {
	series *Series
	serial int32
}

// manyEvents are as many answers as one system call takes.
const manyEvents = 256

// giveWay is the pause of a Connector that is late. The Go scheduler does not see
// its system calls and would never take the processor from it on a machine with
// one.
const giveWay = time.Millisecond

// OpenConnector makes a Connector; Run closes it.
func OpenConnector() (*Connector, error) {
	c := &Connector{
		began:  time.Now(),
		under:  map[int32]ticket{},
		events: make([]unix.EpollEvent, manyEvents),
	}
	if err := c.open(); err != nil {
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	if err := c.alarm.open(c.fd); err != nil {
		c.epoll.Close()
		return nil, fmt.Errorf("open timer: %w", err)
	}
	return c, nil
}

// open gives an epoll to Go's poller, which takes only what does not block.
func (c *Connector) open() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return err
	}
	c.fd, c.epoll = fd, os.NewFile(uintptr(fd), "epoll")
	c.raw, err = c.epoll.SyscallConn()
	if err == nil {
		err = c.epoll.SetReadDeadline(time.Time{}) // fails unless it was taken
	}
	if err != nil {
		c.epoll.Close()
	}
	return err
}

// Add begins a series after a delay. It may be called at any time, and returns
// before anything of it is done.
func (c *Connector) Add(s *Series, delay time.Duration) {
	at := time.Now().Add(delay)
	c.ask(func() {
		s.prepare()
		s.due = c.slot(at, s.Slack)
		c.agenda.add(s)
	})
}

// Remove ends a series. A probe that is under way ends too, but Done may still be
// called until then.
func (c *Connector) Remove(s *Series) {
	c.ask(func() {
		c.abandon(s)
		c.agenda.remove(s)
	})
}

func (c *Connector) ask(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inbox = append(c.inbox, f)
	if len(c.inbox) == 1 {
		c.alarm.set(0)
	}
}

// Run makes the probes until the context ends; then it closes what is open.
func (c *Connector) Run(ctx context.Context) {
	defer c.close()
	defer context.AfterFunc(ctx, func() { c.ask(func() {}) })()
	// The context is looked at after the inbox is empty: its end fills the inbox.
	for c.obey(); ctx.Err() == nil; c.obey() {
		c.start(time.Now())
		c.wait()
	}
}

func (c *Connector) close() {
	for _, s := range c.agenda {
		s.close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarm.close()
	c.epoll.Close()
}

// obey does what others asked for.
func (c *Connector) obey() {
	c.mu.Lock()
	inbox := c.inbox
	c.inbox = nil
	c.mu.Unlock()
	for _, f := range inbox {
		f()
	}
}

// start starts the probes whose time has come, and ends those whose deadline has
// passed.
func (c *Connector) start(now time.Time) {
	for s := c.agenda.first(); s != nil && !s.due.After(now); s = c.agenda.first() {
		if s.socket != noSocket {
			c.finish(s, now, errTimeout)
			continue
		}
		s.started, s.due = now, now.Add(s.Timeout)
		if err := s.open(); !errors.Is(err, unix.EINPROGRESS) {
			c.finish(s, now, err)
			continue
		}
		c.agenda.moved(s)
		c.fresh = append(c.fresh, s)
		c.polled = append(c.polled, unix.PollFd{Fd: int32(s.socket), Events: unix.POLLOUT})
	}
	c.settle()
}

// settle looks at the probes that have just been started. By the time that the
// last of them is, most servers nearby have answered the first; one call finds
// these, and only the others are worth one of their own.
func (c *Connector) settle() {
	if len(c.fresh) == 0 {
		return
	}
	pollNow(c.polled)
	now := time.Now()
	for i, s := range c.fresh {
		if events := uint32(uint16(c.polled[i].Revents)); events != 0 {
			c.finish(s, now, s.outcome(events))
		} else if err := c.watch(s); err != nil {
			c.finish(s, now, err)
		}
	}
	clear(c.fresh)
	c.fresh, c.polled = c.fresh[:0], c.polled[:0]
}

// watch has epoll look after a probe.
func (c *Connector) watch(s *Series) error {
	c.serial++
	event := unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(s.socket), Pad: c.serial}
	if err := unix.EpollCtl(c.fd, unix.EPOLL_CTL_ADD, s.socket, &event); err != nil {
		return os.NewSyscallError("wait", err)
	}
	c.under[int32(s.socket)] = ticket{s, c.serial}
	return nil
}

// wait sleeps until connections have come about or failed, the agenda's first
// time has come, or somebody asks for something.
func (c *Connector) wait() {
	if late := c.setAlarm(); late {
		time.Sleep(giveWay)
	}
	n := 0
	err := c.raw.Read(func(fd uintptr) bool {
		n = answersNow(int(fd), c.events)
		return n > 0
	})
	if err != nil || n == 0 {
		return
	}
	now := time.Now()
	for _, event := range c.events[:n] {
		t := c.under[event.Fd] // none if it is the alarm
		if t.series != nil && t.serial == event.Pad {
			c.finish(t.series, now, t.series.outcome(event.Events))
		}
	}
}

// setAlarm sets the alarm to the agenda's first time, unless somebody waits for an
// answer already; whoever asks from now on sets it anew. It tells whether that
// time has passed: there is more to do than there is time for.
func (c *Connector) setAlarm() (late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.agenda.first()
	switch {
	case len(c.inbox) > 0:
		return false
	case s == nil:
		c.alarm.off()
		return false
	}
	left := time.Until(s.due)
	c.alarm.set(left)
	return left <= 0
}

// finish ends a probe and sets the time of the next one.
func (c *Connector) finish(s *Series, now time.Time, err error) {
	c.abandon(s)
	next := s.Done(s.started, s.result(err, now.Sub(s.started)))
	s.due = c.slot(s.started.Add(next), s.Slack)
	c.agenda.moved(s)
}

// abandon closes what is open of a series.
func (c *Connector) abandon(s *Series) {
	if s.socket != noSocket {
		delete(c.under, int32(s.socket))
		s.close()
	}
}

// slot is the time at which probes start together that may start with so much
// slack.
func (c *Connector) slot(at time.Time, slack time.Duration) time.Time {
	return c.began.Add(at.Sub(c.began).Round(slack))
}
