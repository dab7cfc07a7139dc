package check

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls here return at once, so the Go scheduler need not hear of
// them: package unix tells it, which in an idle program wakes a thread that
// watches for calls that take long.

// address is a socket address as the kernel takes it.
type address struct {
	raw  unix.RawSockaddrInet6 // the beginning is that of IPv4, field by field
	size uintptr
}

func addressOf(to unix.Sockaddr) address {
	a := address{}
	switch to := to.(type) {
	case *unix.SockaddrInet4:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		v4.Family, v4.Port, v4.Addr = unix.AF_INET, networkOrder(to.Port), to.Addr
		a.size = unix.SizeofSockaddrInet4
	case *unix.SockaddrInet6:
		a.raw.Family, a.raw.Port, a.raw.Addr = unix.AF_INET6, networkOrder(to.Port), to.Addr
		a.raw.Scope_id = to.ZoneId
		a.size = unix.SizeofSockaddrInet6
	}
	return a
}

func networkOrder(port int) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, uint16(port)))
}

// connectNow connects a socket that does not block.
func connectNow(fd int, to *address) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), to.size)
	if errno != 0 {
		return errno
	}
	return nil
}

// closeNow closes a socket that does not linger.
func closeNow(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// pollNow fills in what has happened to sockets already. If the kernel has no
// memory for that, nothing has.
func pollNow(sockets []unix.PollFd) {
	var now unix.Timespec
	_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&sockets[0])), uintptr(len(sockets)),
		uintptr(unsafe.Pointer(&now)), 0, 0, 0)
}

// answersNow fills in the events that an epoll has already and counts them.
func answersNow(fd int, events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
