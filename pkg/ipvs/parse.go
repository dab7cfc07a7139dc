package ipvs

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// find gives the value of the first attribute of a type.
func find(b []byte, typ uint16) ([]byte, error) {
	a := attrs{rest: b}
	for a.next() {
		if a.typ == typ {
			return a.value, nil
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	return nil, fmt.Errorf("no attribute %d", typ)
}

// parseService reads a message about a virtual service, and its statistics if
// somewhere to put them is given.
func parseService(payload []byte, stats *lvs.ServiceStats) (lvs.Service, error) {
	nest, err := find(payload, attrService)
	if err != nil {
		return lvs.Service{}, fmt.Errorf("parse virtual service: %w", err)
	}
	raw := rawService{}
	a := attrs{rest: nest}
	for a.next() {
		raw.read(&a, stats)
	}
	if a.err != nil {
		return lvs.Service{}, fmt.Errorf("parse virtual service: %w", a.err)
	}
	s, err := raw.service()
	if err != nil {
		return lvs.Service{}, fmt.Errorf("parse virtual service: %w", err)
	}
	return s, nil
}

// rawService is a virtual service before the values that depend on its family
// are understood.
type rawService struct {
	af, protocol, port uint16
	address            []byte
	mark, netmask      uint32
	flags, timeout     uint32
	scheduler, engine  string
	wide               bool // the statistics come from the 64-bit set
}

func (r *rawService) read(a *attrs, stats *lvs.ServiceStats) {
	switch a.typ {
	case svcFamily:
		r.af = a.uint16()
	case svcProtocol:
		r.protocol = a.uint16()
	case svcAddress:
		r.address = a.value
	case svcPort:
		r.port = a.port()
	case svcMark:
		r.mark = a.uint32()
	case svcScheduler:
		r.scheduler = a.name()
	case svcFlags:
		r.flags = a.uint32()
	case svcTimeout:
		r.timeout = a.uint32()
	case svcNetmask:
		r.netmask = a.uint32()
	case svcEngine:
		r.engine = a.name()
	case svcStats, svcStats64:
		if stats != nil && !r.wide {
			r.wide = a.typ == svcStats64
			a.err = parseStats(a.value, &stats.Counters, &stats.Rates)
		}
	}
}

func (r *rawService) service() (lvs.Service, error) {
	f, err := family(r.af)
	if err != nil {
		return lvs.Service{}, err
	}
	key, err := r.key(f)
	if err != nil {
		return lvs.Service{}, err
	}
	return lvs.Service{Key: key, Settings: r.settings(f)}, nil
}

func (r *rawService) key(f lvs.Family) (lvs.ServiceKey, error) {
	if r.mark != 0 {
		return lvs.MarkKey(r.mark, f), nil
	}
	address, err := parseAddress(r.address, f)
	if err != nil {
		return lvs.ServiceKey{}, err
	}
	return lvs.AddrKey(lvs.Protocol(r.protocol), netip.AddrPortFrom(address, r.port)), nil
}

// settings keeps every flag but the kernel's own and the one that Persistence
// says. A persistent service with a time-out of zero keeps that flag too, so
// that it differs from whatever is wanted.
func (r *rawService) settings(f lvs.Family) lvs.Settings {
	s := lvs.Settings{
		Scheduler: r.scheduler,
		Flags:     lvs.Flags(r.flags &^ flagHashed),
		Netmask:   prefixLength(f, r.netmask),
		Engine:    r.engine,
	}
	if r.flags&flagPersistent != 0 && r.timeout > 0 {
		s.Flags &^= flagPersistent
		s.Persistence = time.Duration(r.timeout) * time.Second
	}
	return s
}

// parseServer reads a message about a server of a service of a family, and its
// statistics if somewhere to put them is given.
func parseServer(payload []byte, service lvs.Family, stats *lvs.ServerStats) (lvs.Server, error) {
	nest, err := find(payload, attrDest)
	if err != nil {
		return lvs.Server{}, fmt.Errorf("parse real server: %w", err)
	}
	raw := rawServer{family: service}
	a := attrs{rest: nest}
	for a.next() {
		raw.read(&a)
		if stats != nil {
			raw.readStats(&a, stats)
		}
	}
	if a.err != nil {
		return lvs.Server{}, fmt.Errorf("parse real server: %w", a.err)
	}
	address, err := parseAddress(raw.address, raw.family)
	if err != nil {
		return lvs.Server{}, fmt.Errorf("parse real server: %w", err)
	}
	if raw.settings.Forwarding != lvs.TUN {
		raw.settings.Tunnel = lvs.Tunnel{}
	}
	return lvs.Server{Key: netip.AddrPortFrom(address, raw.port), ServerSettings: raw.settings}, nil
}

// rawServer is a server whose address is not understood yet: its family, which
// kernels before 3.18 do not tell, comes after it.
type rawServer struct {
	family   lvs.Family
	address  []byte
	port     uint16
	settings lvs.ServerSettings
	wide     bool // the statistics come from the 64-bit set
}

func (r *rawServer) read(a *attrs) {
	switch a.typ {
	case destFamily:
		f, err := family(a.uint16())
		r.family, a.err = f, errors.Join(a.err, err)
	case destAddress:
		r.address = a.value
	case destPort:
		r.port = a.port()
	case destForwarding:
		r.settings.Forwarding = lvs.Forwarding(a.uint32())
	case destWeight:
		r.settings.Weight = int32(a.uint32())
	case destUpper:
		r.settings.Upper = a.uint32()
	case destLower:
		r.settings.Lower = a.uint32()
	case destTunnelType:
		r.settings.Tunnel.Type = lvs.TunnelType(a.uint8())
	case destTunnelPort:
		r.settings.Tunnel.Port = a.port()
	case destTunnelFlags:
		r.settings.Tunnel.Checksum = lvs.Checksum(a.uint16())
	}
}

func (r *rawServer) readStats(a *attrs, stats *lvs.ServerStats) {
	switch a.typ {
	case destActive:
		stats.Active = a.uint32()
	case destInactive:
		stats.Inactive = a.uint32()
	case destPersistent:
		stats.Persistent = a.uint32()
	case destStats, destStats64:
		if !r.wide {
			r.wide = a.typ == destStats64
			a.err = parseStats(a.value, &stats.Counters, &stats.Rates)
		}
	}
}

func parseStats(b []byte, c *lvs.Counters, r *lvs.Rates) error {
	a := attrs{rest: b}
	for a.next() {
		switch a.typ {
		case statConnections:
			c.Connections = a.counter()
		case statPacketsIn:
			c.PacketsIn = a.counter()
		case statPacketsOut:
			c.PacketsOut = a.counter()
		case statBytesIn:
			c.BytesIn = a.counter()
		case statBytesOut:
			c.BytesOut = a.counter()
		case statConnectionRate:
			r.Connections = a.counter()
		case statPacketInRate:
			r.PacketsIn = a.counter()
		case statPacketOutRate:
			r.PacketsOut = a.counter()
		case statByteInRate:
			r.BytesIn = a.counter()
		case statByteOutRate:
			r.BytesOut = a.counter()
		}
	}
	return a.err
}
