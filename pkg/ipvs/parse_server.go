package ipvs

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/lvsd/lvsd/pkg/lvs"
)

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
