package check

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// openSocket opens a socket to the target's family from its source address.
func openSocket(t Target, kind, protocol int) (int, error) {
	family := unix.AF_INET
	if t.Address.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	err = t.prepare(fd)
	if err == nil && t.Source.IsValid() {
		err = os.NewSyscallError("bind", unix.Bind(fd, sockaddr(netip.AddrPortFrom(t.Source, 0))))
	}
	if err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// prepare sets what must be set before bind and connect. SO_MARK needs
// CAP_NET_ADMIN. With a source address, the local port is chosen as late as
// without one, by connect: chosen by bind, it would have to differ from those of
// all connections of the last minute, to whatever target.
func (t Target) prepare(fd int) error {
	if t.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(t.Mark)); err != nil {
			return os.NewSyscallError("set mark", err)
		}
	}
	if !t.Source.IsValid() {
		return nil
	}
	return os.NewSyscallError("set late port", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	sa := &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	if ifi, err := net.InterfaceByName(a.Addr().Zone()); err == nil {
		sa.ZoneId = uint32(ifi.Index)
	}
	return sa
}
