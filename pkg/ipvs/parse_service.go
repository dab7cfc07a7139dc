package ipvs

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

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
