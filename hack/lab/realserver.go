package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Tunnel is an encapsulation that a real server can receive, as a director's TUN forwarding sends it.
type Tunnel string

// The tunnels that IPVS knows.
const (
	IPIP Tunnel = "ipip"
	GUE  Tunnel = "gue"
	GRE  Tunnel = "gre"
)

// GUEPort is the UDP port at which real servers receive GUE.
const GUEPort = 6080

// TakeVIP prepares the host as a real server for DR: the VIPs are addresses of lo, and ARP neither answers for them nor announces them.
// IPv6 needs no such measure: the kernel answers neighbour solicitations only for addresses of the interface they come in on.
func (h *Host) TakeVIP(vips ...netip.Addr) error {
	err := h.setSysctls(
		"net.ipv4.conf.all.arp_ignore", "1",
		"net.ipv4.conf.all.arp_announce", "2",
		"net.ipv4.conf.all.rp_filter", "0",
	)
	if err != nil {
		return err
	}
	for _, vip := range vips {
		if err := h.AddVIP("lo", vip); err != nil {
			return err
		}
	}
	return nil
}

// TakeVIPByTunnel prepares the host as a real server for TUN: as TakeVIP, and with a device that receives encapsulated packets of vip's
// family which are addressed to local, an address of the host of either family. It may be called for several combinations, but once for
// each.
func (h *Host) TakeVIPByTunnel(t Tunnel, vip, local netip.Addr) error {
	if err := h.takeMissing(vip); err != nil {
		return err
	}
	if t == GUE {
		if err := h.listenGUE(local); err != nil {
			return err
		}
	}
	link := tunnelLink(t, vip.Is4(), local)
	if err := h.nl.LinkAdd(link); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add %s tunnel at %s on %s: %w", t, local, h.Name, err)
	}
	dev := link.Attrs().Name
	if err := h.SetLink(dev, true); err != nil {
		return err
	}
	if vip.Is6() {
		return nil
	}
	// The answer to what comes out of the tunnel leaves by another interface, which a reverse path filter takes for a forgery.
	return h.SetSysctl("net.ipv4.conf."+dev+".rp_filter", "0")
}

func (h *Host) takeMissing(vip netip.Addr) error {
	if err := h.TakeVIP(vip); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// listenGUE makes the kernel take GUE out of UDP packets; what is inside then arrives as if it had been in plain IP.
func (h *Host) listenGUE(local netip.Addr) error {
	family := uint8(unix.AF_INET)
	if local.Is6() {
		family = unix.AF_INET6
	}
	err := h.Do(func() error { return addGUEPort(family, GUEPort) })
	if err != nil && !errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("receive gue on %s: %w", h.Name, err)
	}
	return nil
}

// addGUEPort does what netlink.FouAdd cannot: that sends a protocol of 0 with GUE, which the kernel refuses with ERANGE.
func addGUEPort(family uint8, port uint16) error {
	id, err := netlink.FouFamilyId()
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(id, unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: netlink.FOU_CMD_ADD, Version: 1})
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_PORT, binary.BigEndian.AppendUint16(nil, port)))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_AF, []byte{family}))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_TYPE, []byte{netlink.FOU_ENCAP_GUE}))
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}

// tunnelLink describes the device for packets of one family, inner4 or not, inside a tunnel to local. Its name tells them apart.
func tunnelLink(t Tunnel, inner4 bool, local netip.Addr) netlink.Link {
	to := local.AsSlice()
	switch {
	case t == GRE && local.Is4():
		return &netlink.Gretun{LinkAttrs: linkAttrs("tungre4"), Local: to}
	case t == GRE:
		return &netlink.Gretun{LinkAttrs: linkAttrs("tungre6"), Local: to}
	case local.Is4() && inner4:
		return &netlink.Iptun{LinkAttrs: linkAttrs("tun4in4"), Local: to}
	case local.Is4():
		return &netlink.Sittun{LinkAttrs: linkAttrs("tun6in4"), Local: to}
	}
	// One device for both families inside, as the kernel allows only one for an address.
	return &netlink.Ip6tnl{LinkAttrs: linkAttrs("tunin6"), Local: to}
}
