package desired

import (
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// The firewall marks of helper services: helperMark with any lower 24 bits.
const (
	helperMark = 0x4c000000
	helperBits = 0x00ffffff
)

// Helper is a service of lvsd's own for the checks that go through the VIP to
// one real server: the packets with its mark are forwarded to that server by
// the same method as the clients'.
type Helper struct {
	Service lvs.ServiceKey
	For     ServerKey
	Virtual string // names in the configuration
	Server  string
	real    config.Real
}

// Helpers gives the helper services of a configuration in the order of what they
// are for.
func Helpers(c *config.Config) []Helper {
	helpers := helpersOf(c)
	list := make([]Helper, 0, len(helpers))
	for _, h := range helpers {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b Helper) int { return a.For.Compare(b.For) })
	return list
}

// helpersOf gives each server with a check through the VIP its mark. It follows
// from the server's key alone, so that other servers that come and go do not
// change it, unless two fall on the same.
func helpersOf(c *config.Config) map[ServerKey]Helper {
	var list []Helper
	taken := map[uint32]bool{}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			taken[key.Mark] = true
			for _, r := range v.Real {
				if slices.ContainsFunc(r.Checks, func(c config.Check) bool { return c.ViaVIP }) {
					list = append(list, Helper{For: ServerKey{key, r.Server(key).Key}, Virtual: v.Name, Server: r.Name, real: r})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Helper) int { return a.For.Compare(b.For) })
	helpers := make(map[ServerKey]Helper, len(list))
	for _, h := range list {
		mark := markOf(h.For)
		for taken[mark] {
			mark = helperMark | (mark+1)&helperBits
		}
		taken[mark] = true
		h.Service = lvs.MarkKey(mark, h.For.Service.Family())
		helpers[h.For] = h
	}
	return helpers
}

func markOf(k ServerKey) uint32 {
	hash := fnv.New32a()
	// A hash takes every write.
	_, _ = hash.Write([]byte(k.Service.String() + " " + k.Server.String()))
	return helperMark | hash.Sum32()&helperBits
}

// Compare orders keys by service, then by server.
func (k ServerKey) Compare(o ServerKey) int {
	if c := k.Service.Compare(o.Service); c != 0 {
		return c
	}
	return k.Server.Compare(o.Server)
}

// addHelpers adds the helper services. A helper stands whether its server is up
// or not: it is how that is found out.
func addHelpers(services map[lvs.ServiceKey]lvs.Service, c *config.Config) {
	for _, h := range Helpers(c) {
		server := h.real.Server(h.For.Service)
		if h.real.Forwarding != lvs.NAT {
			server.Key = netip.AddrPortFrom(server.Key.Addr(), 0)
		}
		server.Weight, server.Upper, server.Lower = 1, 0, 0
		services[h.Service] = lvs.Service{
			Key:      h.Service,
			Settings: lvs.Settings{Scheduler: "rr", Netmask: uint8(h.Service.Family().Bits())},
			Servers:  []lvs.Server{server},
		}
	}
}

// detours lets the answers in that come from a VIP which is the director's own
// now: on the interface with the address that the check came from, or on all if
// that is not on any of them. While another director has the VIP, its answers are
// like any other host's. Behind NAT they come from the real server's address.
func detours(asks []Ask, host Host) map[lvs.Detour]bool {
	on := map[netip.Addr][]string{}
	var all []string
	for key := range host.Addresses {
		on[key.Prefix.Addr()] = append(on[key.Prefix.Addr()], key.Interface)
		if key.Interface != "lo" {
			all = append(all, key.Interface)
		}
	}
	want := map[lvs.Detour]bool{}
	for _, a := range asks {
		if len(on[a.VIP.Addr()]) == 0 {
			continue
		}
		names := slices.DeleteFunc(slices.Clone(on[a.Source]), func(name string) bool { return name == "lo" })
		if len(names) == 0 {
			names = all
		}
		for _, name := range names {
			want[lvs.Detour{Interface: name, Protocol: a.Protocol, From: a.VIP, To: a.Source}] = true
		}
	}
	return want
}
