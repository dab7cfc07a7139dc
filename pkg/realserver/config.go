package realserver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Config says what the host is to be ready for.
type Config struct {
	VIPs []VIP
	// Interfaces are those that face the director. If there are none, they are
	// found: where the default route leads, and where the VIPs' subnets are.
	Interfaces []string
	// Director is the director's address in the network of this host, through which
	// the answers to NAT go. It may be left out if nothing is forwarded by NAT.
	Director netip.Addr
	SetRoute bool   // make the answers go through Director; otherwise it is only checked
	MSS      uint16 // with TUN: largest TCP segment that clients may send, in bytes; 0 is computed
	NoClamp  bool   // with TUN: leave the segment size alone
	// Early is for the start of the machine, before the network is set up: interfaces
	// and addresses that are not there yet are no error.
	Early bool
}

// VIP is one address under which the host serves.
type VIP struct {
	Address    netip.Addr
	Forwarding lvs.Forwarding
	Tunnel     lvs.Tunnel // with TUN
	// Local is the host's own address to which the director sends, with TUN. If it
	// is not valid, it is found: an address of the VIP's family on the interfaces
	// that face the director.
	Local netip.Addr
	Ports []config.Port // of the services, for Status; may be empty
}

// onLoopback tells whether the VIP is to be an address of the host.
func (v VIP) onLoopback() bool { return v.Forwarding == lvs.DR || v.Forwarding == lvs.TUN }

// check tells what is wrong with a Config whatever the host is.
func (c Config) check() error {
	if len(c.VIPs) == 0 && !c.Director.IsValid() {
		return fmt.Errorf("no VIP is given")
	}
	for _, v := range c.VIPs {
		if err := v.check(); err != nil {
			return err
		}
		if v.Forwarding == lvs.NAT && !c.Director.IsValid() {
			return fmt.Errorf("VIP %s: with nat the director's address in this host's network must be given", v.Address)
		}
	}
	if c.SetRoute && !c.Director.IsValid() {
		return fmt.Errorf("the route to the clients cannot be set without the director's address")
	}
	return nil
}

func (v VIP) check() error {
	a := v.Address
	switch {
	case !a.IsValid():
		return fmt.Errorf("a VIP is missing its address")
	case a.Is4In6():
		return fmt.Errorf("VIP %s: write it as %s", a, a.Unmap())
	case a.Zone() != "" || a.IsLinkLocalUnicast():
		return fmt.Errorf("VIP %s: a link-local address cannot be a VIP", a)
	case a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a == broadcast:
		return fmt.Errorf("VIP %s: it is not a unicast address of a host", a)
	case !slices.Contains([]lvs.Forwarding{lvs.NAT, lvs.DR, lvs.TUN}, v.Forwarding):
		return fmt.Errorf("VIP %s: %s is not a way of forwarding", a, v.Forwarding)
	}
	if err := v.checkTunnel(); err != nil {
		return fmt.Errorf("VIP %s: %w", a, err)
	}
	return nil
}

func (v VIP) checkTunnel() error {
	t := v.Tunnel
	switch {
	case v.Forwarding != lvs.TUN && (t != lvs.Tunnel{} || v.Local.IsValid()):
		return fmt.Errorf("a tunnel has no effect with %s", v.Forwarding)
	case t.Type == lvs.GUE && t.Port == 0:
		return errors.New("gue needs its UDP port")
	case t.Type != lvs.GUE && t.Port != 0:
		return fmt.Errorf("%s has no port", t.Type)
	case t.Type == lvs.IPIP && t.Checksum != lvs.NoChecksum, t.Type == lvs.GRE && t.Checksum == lvs.RemoteChecksum:
		return fmt.Errorf("%s has no checksum option %q", t.Type, t.Checksum)
	}
	return nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
