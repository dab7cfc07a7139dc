package ipvstest

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// What the kernel refuses, and what it changes silently, as in
// ip_vs_genl_set_cmd, ip_vs_add_service and ip_vs_add_dest
// (net/netfilter/ipvs/ip_vs_ctl.c).

const (
	flagPersistent = 0x01 // Persistence says it
	flagHashed     = 0x02 // the kernel's own

	maxName = 15 // length of a scheduler's name
)

// refuseChange refuses what no message to the kernel can express.
func refuseChange(c lvs.Change) error {
	if c.Verb < lvs.Add || c.Verb > lvs.Delete {
		return unix.EINVAL
	}
	key := c.Service.Key
	switch {
	case key.Mark != 0 && key.MarkOf != lvs.IPv4 && key.MarkOf != lvs.IPv6:
		return unix.EAFNOSUPPORT
	case key.Mark == 0 && !expressible(key.VIP.Addr()):
		return unix.EINVAL
	case c.Server != nil && !expressible(c.Server.Key.Addr()):
		return unix.EINVAL
	case c.Server == nil && c.Verb != lvs.Delete:
		return refuseShape(key.Family(), c.Service.Settings)
	}
	return nil
}

func expressible(a netip.Addr) bool { return a.IsValid() && a.Zone() == "" }

func refuseShape(f lvs.Family, s lvs.Settings) error {
	if s.Scheduler == "" || len(s.Scheduler) > maxName || len(s.Engine) > maxName || int(s.Netmask) > f.Bits() {
		return unix.EINVAL
	}
	return refuseSeconds(s.Persistence, math.MaxUint32)
}

func refuseSeconds(d time.Duration, ticks uint32) error {
	if d < 0 || d > time.Duration(ticks/1000)*time.Second || d%time.Second != 0 {
		return unix.EINVAL
	}
	return nil
}

func refuseSettings(f lvs.Family, s lvs.Settings) error {
	switch {
	case s.Scheduler != "none" && !slices.Contains(lvs.Schedulers, s.Scheduler):
		return unix.ENOENT
	case s.Engine != "" && !slices.Contains(lvs.Engines, s.Engine):
		return unix.ENOENT
	case f == lvs.IPv6 && s.Netmask == 0:
		return unix.EINVAL
	}
	return nil
}

func refuseServer(service lvs.Family, a netip.Addr, s lvs.ServerSettings) error {
	switch {
	case lvs.FamilyOf(a) != service && s.Forwarding != lvs.TUN:
		return unix.EINVAL
	case s.Weight < 0 || s.Lower > s.Upper:
		return unix.ERANGE
	case s.Tunnel.Type == lvs.GUE && s.Tunnel.Port == 0:
		return unix.EINVAL
	}
	return nil
}

// routable tells whether a server can have an address, on a host that has none
// but those of the loopback interface.
func routable(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return b[0] != 0 && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && !a.Is4In6()
}

func storedSettings(s lvs.Settings) lvs.Settings {
	s.Flags &^= flagHashed
	if s.Persistence > 0 {
		s.Flags &^= flagPersistent
	}
	return s
}

func storedServer(s lvs.ServerSettings) lvs.ServerSettings {
	if s.Forwarding != lvs.TUN {
		s.Tunnel = lvs.Tunnel{}
	}
	return s
}
