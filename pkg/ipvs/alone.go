package ipvs

import (
	"context"
	"net"
	"net/netip"
	"time"

	moby "github.com/moby/ipvs"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// mobyCan tells whether moby/ipvs can express a change in full. It writes an
// IPv4-mapped address as IPv4, and of a server neither its family nor its
// tunnel.
func mobyCan(c lvs.Change) bool {
	if check(c) != nil || c.Service.Key.VIP.Addr().Is4In6() {
		return false
	}
	if c.Server == nil {
		return true
	}
	address := c.Server.Key.Addr()
	return !address.Is4In6() &&
		lvs.FamilyOf(address) == c.Service.Key.Family() &&
		(c.Server.Forwarding != lvs.TUN || c.Server.Tunnel == lvs.Tunnel{})
}

// applyAlone makes a change for which mobyCan holds.
func (t *Table) applyAlone(ctx context.Context, c lvs.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	service := mobyService(c.Service)
	if c.Server == nil {
		return mobyServiceCall(t.moby, c.Verb)(service)
	}
	return mobyServerCall(t.moby, c.Verb)(service, mobyServer(*c.Server))
}

func mobyServiceCall(h *moby.Handle, v lvs.Verb) func(*moby.Service) error {
	switch v {
	case lvs.Add:
		return h.NewService
	case lvs.Set:
		return h.UpdateService
	}
	return h.DelService
}

func mobyServerCall(h *moby.Handle, v lvs.Verb) func(*moby.Service, *moby.Destination) error {
	switch v {
	case lvs.Add:
		return h.NewDestination
	case lvs.Set:
		return h.UpdateDestination
	}
	return h.DelDestination
}

func mobyService(s lvs.Service) *moby.Service {
	m := &moby.Service{
		AddressFamily: socketFamily(s.Key.Family()),
		FWMark:        s.Key.Mark,
		Protocol:      uint16(s.Key.Protocol),
		Port:          s.Key.VIP.Port(),
		SchedName:     s.Scheduler,
		Flags:         kernelFlags(s.Settings),
		Timeout:       uint32(s.Persistence / time.Second),
		Netmask:       kernelNetmask(s.Key.Family(), s.Netmask),
		PEName:        s.Engine,
	}
	if s.Key.Mark == 0 {
		m.Address = mobyAddress(s.Key.VIP.Addr())
	}
	return m
}

func mobyServer(s lvs.Server) *moby.Destination {
	return &moby.Destination{
		Address:         mobyAddress(s.Key.Addr()),
		Port:            s.Key.Port(),
		Weight:          int(s.Weight),
		ConnectionFlags: uint32(s.Forwarding),
		UpperThreshold:  s.Upper,
		LowerThreshold:  s.Lower,
	}
}

// mobyAddress gives an address in the library's form, the wire's bytes.
func mobyAddress(a netip.Addr) net.IP { return net.IP(a.AsSlice()) }
