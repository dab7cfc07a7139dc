package desired

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/health/check"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Checks are the checks that a configuration asks for, and which of them each
// real server depends on.
type Checks struct {
	Wanted []health.Wanted // the same check may stand there for several servers
	Of     map[ServerKey][]health.Key
	Asks   []Ask // each once, sorted
}

// Ask is what a check through the VIP sends, and where from.
type Ask struct {
	Protocol lvs.Protocol
	VIP      netip.AddrPort
	Source   netip.Addr
}

// ChecksOf gives the checks of a configuration. source tells the director's own
// address from which a real server gets the packets that are sent to the VIP;
// the zero Addr leaves it to the kernel.
func ChecksOf(c *config.Config, source func(server netip.Addr) netip.Addr) (Checks, error) {
	all := Checks{Of: map[ServerKey][]health.Key{}}
	helpers, asks := helpersOf(c), map[Ask]bool{}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			for _, r := range v.Real {
				id := ServerKey{key, r.Server(key).Key}
				for _, one := range r.Checks {
					t := target(v, key, r, one)
					if one.ViaVIP {
						t.Mark = helpers[id].Service.Mark
						if !t.Source.IsValid() {
							t.Source = sameFamily(source(r.Address), t.Address)
						}
						if t.Source.Is4() && r.Forwarding != lvs.NAT {
							asks[Ask{transport(one.Spec), netip.AddrPortFrom(t.Address, t.Port), t.Source}] = true
						}
					}
					w, err := health.Want(one.Spec, t, one.Timing)
					if err != nil {
						return Checks{}, fmt.Errorf("check %s of %s/%s: %w", one.Name, v.Name, r.Name, err)
					}
					all.Wanted = append(all.Wanted, w)
					all.Of[id] = append(all.Of[id], w.Key)
				}
			}
		}
	}
	all.Asks = slices.SortedFunc(maps.Keys(asks), func(a, b Ask) int {
		return cmp.Or(a.VIP.Compare(b.VIP), a.Source.Compare(b.Source), cmp.Compare(a.Protocol, b.Protocol))
	})
	return all, nil
}

func transport(s check.Spec) lvs.Protocol {
	switch s := s.(type) {
	case *check.UDP:
		return lvs.UDP
	case *check.DNS:
		if s.Protocol != "tcp" {
			return lvs.UDP
		}
	}
	return lvs.TCP
}

func sameFamily(a, as netip.Addr) netip.Addr {
	if a.IsValid() && lvs.FamilyOf(a) == lvs.FamilyOf(as) {
		return a
	}
	return netip.Addr{}
}

// target is where a check of a server goes.
func target(v config.Virtual, key lvs.ServiceKey, r config.Real, c config.Check) check.Target {
	to := r.Server(key).Key
	if c.ViaVIP {
		to = key.VIP
	}
	t := check.Target{
		Address: to.Addr(),
		Port:    to.Port(),
		Source:  c.Source,
		Mark:    c.Mark,
		Names:   check.Names{Service: v.Name, Server: r.Name, VIP: key.VIP},
	}
	if c.Address.IsValid() {
		t.Address = c.Address
	}
	if c.Port != 0 {
		t.Port = c.Port
	}
	return t
}
