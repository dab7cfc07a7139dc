package realserver

import (
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Of gives the Config of a file or of flags.
func Of(s config.RealServer) Config {
	c := Config{Interfaces: s.Interfaces, Director: s.Director, SetRoute: s.SetRoute, MSS: s.MSS, NoClamp: !s.Clamp}
	for _, a := range s.VIPs {
		v := VIP{Address: a, Forwarding: s.Forwarding, Tunnel: s.Tunnel, Local: localFor(a, s.Local), Ports: s.Ports}
		c.VIPs = append(c.VIPs, v)
	}
	return c
}

// localFor picks the own address for a VIP: that of its family, or else any.
func localFor(vip netip.Addr, own []netip.Addr) netip.Addr {
	for _, a := range own {
		if a.Is4() == vip.Is4() {
			return a
		}
	}
	if len(own) > 0 {
		return own[0]
	}
	return netip.Addr{}
}

// From picks out of a director's configuration the services that this host, known
// by its own addresses, is a real server of. It also gives the names of those that
// are known by a firewall mark only: their VIPs are not in the file.
func (s *Server) From(c *config.Config) (result Config, marked []string, err error) {
	addresses, err := s.kernel.Devices.Addresses()
	if err != nil {
		return Config{}, nil, err
	}
	own := map[netip.Addr]bool{}
	for k := range maps.Keys(addresses) {
		own[k.Prefix.Addr()] = true
	}
	for _, v := range c.Virtual {
		for _, r := range v.Real {
			if !own[r.Address] {
				continue
			}
			for _, k := range v.Keys {
				if k.Mark != 0 {
					marked = append(marked, v.Name)
					continue
				}
				result.VIPs = merge(result.VIPs, vipOf(k, r))
			}
		}
	}
	if len(result.VIPs) == 0 && len(marked) == 0 {
		return result, nil, errors.New("the file has no real server with an address of this host")
	}
	return result, marked, nil
}

func vipOf(k lvs.ServiceKey, r config.Real) VIP {
	v := VIP{Address: k.VIP.Addr(), Forwarding: r.Forwarding, Tunnel: r.Tunnel}
	if r.Forwarding == lvs.TUN {
		v.Local = r.Address
	}
	if port := r.Server(k).Key.Port(); port != 0 {
		v.Ports = []config.Port{{Protocol: k.Protocol, Number: port}}
	}
	return v
}

// merge adds a VIP, or its ports to what is known of it.
func merge(all []VIP, v VIP) []VIP {
	for i, have := range all {
		if have.Address == v.Address && have.Forwarding == v.Forwarding && have.Tunnel == v.Tunnel && have.Local == v.Local {
			for _, p := range v.Ports {
				if !slices.Contains(have.Ports, p) {
					all[i].Ports = append(all[i].Ports, p)
				}
			}
			return all
		}
	}
	return append(all, v)
}
