package lab

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// UDPEcho answers every datagram with the host's name, a blank and the payload, on one port of all addresses of both families. The answer
// comes from the address that was asked, as it must where that address is a VIP.
func (h *Host) UDPEcho(port int) (*Service, error) {
	v4, err := h.udpSocket("udp4", port)
	if err != nil {
		return nil, err
	}
	v6, err := h.udpSocket("udp6", port)
	if err != nil {
		v4.Close()
		return nil, err
	}
	var work sync.WaitGroup
	work.Go(func() { h.echoDatagrams(v4) })
	work.Go(func() { h.echoDatagrams(v6) })
	return h.newService(v4.LocalAddr(), func() error {
		err := errors.Join(v4.Close(), v6.Close())
		work.Wait()
		return err
	}), nil
}

// udpSocket opens a socket that tells the destination address of every datagram.
func (h *Host) udpSocket(network string, port int) (*net.UDPConn, error) {
	p, err := h.ListenPacket(network, net.JoinHostPort("", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	c := p.(*net.UDPConn)
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var serr error
	err = raw.Control(func(fd uintptr) {
		if network == "udp4" {
			serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
			return
		}
		serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
	if err := errors.Join(err, serr); err != nil {
		c.Close()
		return nil, fmt.Errorf("ask for destination addresses: %w", err)
	}
	return c, nil
}

func (h *Host) echoDatagrams(c *net.UDPConn) {
	payload, control := make([]byte, 64<<10), make([]byte, 256)
	for {
		n, cn, _, from, err := c.ReadMsgUDPAddrPort(payload, control)
		if err != nil {
			return // closed; UDP sockets that never send to a fixed peer have no other lasting error
		}
		answer := append([]byte(h.Name+" "), payload[:n]...)
		_, _, _ = c.WriteMsgUDPAddrPort(answer, answerControl(control[:cn]), from)
	}
}

// answerControl turns the control message that came with a datagram into the one that makes the answer leave from the same address. It
// drops the interface: a tunnelled datagram arrives on one that leads nowhere.
func answerControl(control []byte) []byte {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			info := &unix.Inet4Pktinfo{Spec_dst: [4]byte(m.Data[4:8])}
			return unix.PktInfo4(info)
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			info := &unix.Inet6Pktinfo{Addr: [16]byte(m.Data[:16])}
			return unix.PktInfo6(info)
		}
	}
	return nil
}
