package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

var (
	broadcastMAC = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allNodesMAC  = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1} // ff02::1, RFC 2464 section 7
)

// Announce tells the neighbours once that the address is at this interface now,
// by two gratuitous ARP packets or an unsolicited neighbour advertisement. Where
// there are no such neighbours (the loopback, tunnels, interfaces without ARP) it
// does nothing. An interface that is down is unix.ENETDOWN.
func (d *Devices) Announce(a lvs.Address) error {
	l, err := d.link(a.Interface)
	if err == nil {
		err = announce(l.Attrs(), a.Prefix.Addr())
	}
	if err != nil {
		return fmt.Errorf("announce %s: %w", a.AddressKey, err)
	}
	return nil
}

func announce(l *netlink.LinkAttrs, ip netip.Addr) error {
	if l.EncapType != "ether" || len(l.HardwareAddr) != 6 || l.RawFlags&unix.IFF_NOARP != 0 {
		return nil
	}
	if ip.Is4() {
		return send(l.Index, unix.ETH_P_ARP, broadcastMAC, arpPacket(arpRequest, l.HardwareAddr, ip), arpPacket(arpReply, l.HardwareAddr, ip))
	}
	router, err := isRouter(l.Name)
	if err != nil {
		return err
	}
	return send(l.Index, unix.ETH_P_IPV6, allNodesMAC, advertisement(l.HardwareAddr, ip, router))
}

// isRouter tells whether the interface forwards IPv6: then it calls itself a
// router in its advertisements, as the kernel does.
func isRouter(name string) (bool, error) {
	value, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/forwarding")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return strings.TrimSpace(string(value)) == "1", err
}

// send sends a frame for each payload; the kernel writes their headers.
func send(index int, proto uint16, dst net.HardwareAddr, payloads ...[]byte) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a packet socket: %w", err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{Protocol: networkOrder(proto), Ifindex: index, Halen: 6}
	copy(to.Addr[:], dst)
	var errs []error
	for _, payload := range payloads {
		errs = append(errs, unix.Sendto(fd, payload, 0, to))
	}
	return errors.Join(errs...)
}

func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
