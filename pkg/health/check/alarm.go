package check

import (
	"time"

	"golang.org/x/sys/unix"
)

// alarm is a timer of the kernel in an epoll. A timer or a deadline of Go's would
// do as well, but when one of these fires, Go's scheduler starts a second thread
// in case that there is more to do: three futex calls and two writes a time.
type alarm struct{ fd int }

// noAlarm is the descriptor of an alarm that is closed.
const noAlarm = -1

// open makes the alarm and puts it into an epoll. It is silent until it is set.
func (a *alarm) open(epoll int) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		unix.Close(fd)
		return err
	}
	a.fd = fd
	return nil
}

// set has the alarm go off after a time, and not as it was set before. It is
// never read: setting it anew silences it.
func (a *alarm) set(after time.Duration) {
	a.settime(unix.NsecToTimespec(int64(max(after, 1)))) // zero would turn it off
}

// off silences the alarm until it is set.
func (a *alarm) off() { a.settime(unix.Timespec{}) }

func (a *alarm) settime(after unix.Timespec) {
	if a.fd == noAlarm {
		return
	}
	// It fails only with an invalid time.
	_ = unix.TimerfdSettime(a.fd, 0, &unix.ItimerSpec{Value: after}, nil)
}

func (a *alarm) close() {
	unix.Close(a.fd)
	a.fd = noAlarm
}
