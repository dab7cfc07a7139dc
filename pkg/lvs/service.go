package lvs

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Service is a virtual service with its real servers.
type Service struct {
	Key ServiceKey
	Settings
	Servers []Server // sorted by Key, no key twice
}

// Settings is all of a virtual service that can change under its key.
type Settings struct {
	Scheduler   string
	Flags       Flags
	Persistence time.Duration // whole seconds; 0 is not persistent
	Netmask     uint8         // prefix length by which clients are taken together; the family's Bits is one by one
	Engine      string        // persistence engine, "" or one of Engines
}

func (s Settings) String() string {
	var b strings.Builder
	b.WriteString("scheduler " + s.Scheduler)
	if s.Persistence > 0 {
		fmt.Fprintf(&b, " persistence %s/%d", Seconds(s.Persistence), s.Netmask)
	}
	if s.Engine != "" {
		b.WriteString(" engine " + s.Engine)
	}
	for _, name := range s.Flags.Names(s.Scheduler) {
		b.WriteString(" " + name)
	}
	return b.String()
}

// Same tells whether two settings mean the same to the kernel: the netmask
// counts only with persistence.
func (s Settings) Same(o Settings) bool {
	if s.Persistence == 0 && o.Persistence == 0 {
		s.Netmask, o.Netmask = 0, 0
	}
	return s == o
}

// Server is a real server of a virtual service. Its key is its address and
// port: port 0, for a firewall mark or a service of all ports, keeps the port
// of the packet.
type Server struct {
	Key netip.AddrPort
	ServerSettings
}

// ServerSettings is all of a real server that can change under its key.
type ServerSettings struct {
	Forwarding Forwarding
	Tunnel     Tunnel
	Weight     int32  // 0 is quiescent: connections are kept, none is added
	Upper      uint32 // connections above which the kernel adds none; 0 is no limit
	Lower      uint32 // connections below which it adds some again
}

func (s ServerSettings) String() string {
	var b strings.Builder
	b.WriteString(s.Forwarding.String())
	if s.Forwarding == TUN {
		b.WriteString(" " + s.Tunnel.String())
	}
	fmt.Fprintf(&b, " weight %d", s.Weight)
	if s.Upper != 0 || s.Lower != 0 {
		fmt.Fprintf(&b, " thresholds %d..%d", s.Lower, s.Upper)
	}
	return b.String()
}

// Same tells whether two settings mean the same to the kernel: a real server
// on the director itself may be read back as Local whatever was asked.
func (s ServerSettings) Same(o ServerSettings) bool {
	if s.Forwarding == Local || o.Forwarding == Local {
		s.Forwarding, o.Forwarding = Local, Local
		s.Tunnel, o.Tunnel = Tunnel{}, Tunnel{}
	}
	return s == o
}

// Counters are the statistics of a service or a server since it was added.
type Counters struct {
	Connections, PacketsIn, PacketsOut, BytesIn, BytesOut uint64
}

// Rates are the kernel's own estimates per second.
type Rates struct {
	Connections, PacketsIn, PacketsOut, BytesIn, BytesOut uint64
}

// ServiceStats is what the kernel counts for a service.
type ServiceStats struct {
	Counters Counters
	Rates    Rates
	Servers  map[netip.AddrPort]ServerStats
}

// ServerStats is what the kernel counts for a real server.
type ServerStats struct {
	Active, Inactive, Persistent uint32 // connections now
	Counters                     Counters
	Rates                        Rates
}
