package netdev

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// GUEPort is a UDP port at which the kernel takes packets out of generic UDP
// encapsulation (`ip fou add port PORT gue`): then they are as if they had come
// in plain IP. The functions for them use the namespace of the calling thread.
type GUEPort struct {
	Family lvs.Family // of the packets outside
	Port   uint16
}

// Compare orders ports by family and number.
func (p GUEPort) Compare(o GUEPort) int {
	return cmp.Or(cmp.Compare(p.Family, o.Family), cmp.Compare(p.Port, o.Port))
}

// GUEPorts lists the ports, sorted. Without the kernel's module fou there are
// none.
func (d *Devices) GUEPorts() ([]GUEPort, error) {
	list, err := dump(func() ([]netlink.Fou, error) { return d.handle.FouList(unix.AF_UNSPEC) })
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list gue ports: %w", err)
	}
	var ports []GUEPort
	for _, f := range list {
		if f.EncapType == netlink.FOU_ENCAP_GUE {
			ports = append(ports, GUEPort{Family: family(f.Family), Port: uint16(f.Port)})
		}
	}
	slices.SortFunc(ports, GUEPort.Compare)
	return ports, nil
}

func family(af int) lvs.Family {
	if af == unix.AF_INET6 {
		return lvs.IPv6
	}
	return lvs.IPv4
}

// AddGUEPort opens a port. It is unix.EADDRINUSE if it is taken, and unix.ENOENT
// without the kernel's module fou.
func (d *Devices) AddGUEPort(p GUEPort) error {
	if err := changeGUEPort(netlink.FOU_CMD_ADD, p); err != nil {
		return fmt.Errorf("add gue port %d of %s: %w", p.Port, p.Family, err)
	}
	return nil
}

// DeleteGUEPort closes a port. It is unix.EINVAL if it is not open.
func (d *Devices) DeleteGUEPort(p GUEPort) error {
	if err := changeGUEPort(netlink.FOU_CMD_DEL, p); err != nil {
		return fmt.Errorf("delete gue port %d of %s: %w", p.Port, p.Family, err)
	}
	return nil
}

// changeGUEPort speaks to the kernel itself: netlink.FouAdd also sends a protocol,
// which the kernel refuses beside GUE (ERANGE).
func changeGUEPort(command uint8, p GUEPort) error {
	id, err := netlink.FouFamilyId()
	if err != nil {
		return err
	}
	af := byte(unix.AF_INET)
	if p.Family == lvs.IPv6 {
		af = unix.AF_INET6
	}
	req := nl.NewNetlinkRequest(id, unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: command, Version: 1})
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_PORT, binary.BigEndian.AppendUint16(nil, p.Port)))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_AF, []byte{af}))
	req.AddData(nl.NewRtAttr(netlink.FOU_ATTR_TYPE, []byte{netlink.FOU_ENCAP_GUE}))
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}
