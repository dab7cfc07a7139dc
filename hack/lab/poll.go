package lab

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Poll makes an interface receive as a network card does: into a ring of 256 frames that is emptied by polling (NAPI), where what does not fit
// is lost. A veth interface does that only with GRO or an XDP program, and otherwise has no ring and refuses frames that XDP redirects to it.
func (h *Host) Poll(dev string) error {
	err := h.Do(func() error { return switchOn(dev, unix.ETHTOOL_SGRO) })
	if err != nil {
		return fmt.Errorf("have %s on %s polled: %w", dev, h.Name, err)
	}
	return nil
}

// switchOn makes a call of ethtool that takes 1 for on (linux/ethtool.h, struct ethtool_value).
func switchOn(dev string, command uint32) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer unix.Close(fd)
	value := struct{ command, data uint32 }{command, 1}
	request := struct { // struct ifreq, which has 24 bytes beyond the name
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		rest [24 - unsafe.Sizeof(uintptr(0))]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], dev)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// Lost is how many frames that XDP redirected to an interface found no place in its ring.
func (h *Host) Lost(dev string) (uint64, error) {
	link, err := h.nl.LinkByName(dev)
	if err != nil {
		return 0, fmt.Errorf("find %s on %s: %w", dev, h.Name, err)
	}
	return link.Attrs().Statistics.RxDropped, nil
}
