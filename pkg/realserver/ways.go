package realserver

import (
	"fmt"
	"net/netip"

	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// way is a kind of packet that must come into the host.
type way struct {
	name   string
	packet firewall.Packet
}

// ways gives the packets of a VIP, as they come in from the director and, out of a
// tunnel, a second time as what was inside.
func (c Config) ways(v VIP) []way {
	var all []way
	inside := c.Interfaces
	if v.Forwarding == lvs.TUN {
		number, port := outerProtocol(v)
		for _, name := range c.Interfaces {
			all = append(all, c.way(name, number, v.Local, port))
		}
		inside = c.devicesOf(v)
	}
	if v.Forwarding == lvs.NAT {
		return nil // its packets are for an address of the host that the check cannot know
	}
	for _, name := range inside {
		for _, p := range v.Ports {
			all = append(all, c.way(name, uint8(p.Protocol), v.Address, p.Number))
		}
	}
	return all
}

func (c Config) way(in string, protocol uint8, dst netip.Addr, port uint16) way {
	name := fmt.Sprintf("protocol %d to %s on %s", protocol, dst, in)
	if port != 0 {
		name = fmt.Sprintf("%s port %d to %s on %s", lvs.Protocol(protocol), port, dst, in)
	}
	return way{name, firewall.Packet{In: in, Protocol: protocol, Dst: dst, Port: port}}
}

// outerProtocol is how a VIP's packets come in tunnelled: the number of the IP
// protocol, and for UDP the port.
func outerProtocol(v VIP) (number uint8, port uint16) {
	switch {
	case v.Tunnel.Type == lvs.GUE:
		return protoUDP, v.Tunnel.Port
	case v.Tunnel.Type == lvs.GRE:
		return protoGRE, 0
	case v.Address.Is4():
		return protoIPIP, 0
	}
	return protoIPv6, 0
}

// devicesOf gives the tunnel device that a VIP's packets come out of.
func (c Config) devicesOf(v VIP) []string {
	var names []string
	for _, t := range c.devices(map[string]bool{}) {
		if t.Kind == kindOf(v) && t.Local == v.Local {
			names = append(names, t.Name)
		}
	}
	return names
}
