// Package desired says what the kernel should hold: a pure function of the
// configuration, the health of the real servers, the operator's overrides and
// what is known about the host. Weights, quiescence and fallback are decided here and nowhere else. It
// does no I/O and reads no clock.
package desired

import (
	"maps"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
)

// Host is what the desired state must know of the machine: the interfaces that
// need a parameter of their own follow from the addresses they carry, and the
// VIPs of VRRP from its part in each instance.
type Host struct {
	Addresses map[lvs.AddressKey]lvs.Address
	Roles     map[string]lvs.Role // by the instance's name
}

// Input is what the desired state follows from besides the configuration.
type Input struct {
	Host      Host
	Health    Health
	Overrides override.Set
	Known     map[lvs.ServiceKey]lvs.Service // what the kernel has
	Asks      []Ask
	Now       time.Time
	Lists     Lists // of the guard
}

// Build gives the desired state of a director with this configuration. Equal
// arguments give equal states.
func Build(c *config.Config, in Input) lvs.State { return BuildFrom(c, in, Judge(c, in)) }

// BuildFrom is Build for whoever has the verdict of the same arguments already.
func BuildFrom(c *config.Config, in Input, v Verdict) lvs.State {
	s := lvs.State{
		Timeouts: c.Timeouts,
		Services: services(c.Virtual, v),
		Rules:    rules(c),
		Daemons:  Daemons(c, in.Host),
	}
	addHelpers(s.Services, c)
	s.Addresses, s.Absent = Addresses(c, in.Host)
	s.Links = Links(c, in.Host)
	carriers := maps.Clone(in.Host.Addresses)
	if carriers == nil {
		carriers = map[lvs.AddressKey]lvs.Address{}
	}
	maps.Copy(carriers, s.Addresses)
	// A standby's interfaces are ready for the VIPs before it has them.
	for _, v := range c.VRRP {
		for _, a := range v.VIPs {
			carriers[a.AddressKey] = a
		}
	}
	s.Modules = modules(c)
	host := Host{Addresses: carriers}
	s.Detours = detours(in.Asks, host)
	s.Sysctls = sysctls(c, Host{Addresses: lasting(c, carriers)}, len(s.Detours) > 0)
	s.Silent = Silent(c, in.Host.Addresses)
	s.Guard, s.GuardGrow = Guard(c, in.Host, in.Lists), partial(c, in.Lists)
	return s
}

func services(virtual []config.Virtual, verdict Verdict) map[lvs.ServiceKey]lvs.Service {
	all := map[lvs.ServiceKey]lvs.Service{}
	for _, v := range virtual {
		for _, key := range v.Keys {
			all[key] = lvs.Service{Key: key, Settings: settings(v, key), Servers: servers(v, key, verdict)}
		}
	}
	return all
}

// settings completes the netmask: without one, clients are taken one by one,
// and the kernel wants it said for each family.
func settings(v config.Virtual, key lvs.ServiceKey) lvs.Settings {
	s := v.Settings
	if s.Netmask == 0 {
		s.Netmask = uint8(key.Family().Bits())
	}
	return s
}

// servers are those that the verdict leaves, and the fallback if none of them
// serves.
func servers(v config.Virtual, key lvs.ServiceKey, verdict Verdict) []lvs.Server {
	var list []lvs.Server
	for _, r := range v.Real {
		server := r.Server(key)
		judged := verdict.Servers[ServerKey{key, server.Key}]
		server.Weight = judged.Weight
		if judged.Present {
			list = append(list, server)
		}
	}
	if !anyServes(list) {
		for _, r := range v.Fallback {
			list = append(list, r.Server(key))
		}
	}
	lvs.SortServers(list)
	return list
}

func anyServes(servers []lvs.Server) bool {
	return slices.ContainsFunc(servers, func(s lvs.Server) bool { return s.Weight > 0 })
}

// rules are those of masquerading: of real servers' own traffic, and of the
// services that ask for it.
func rules(c *config.Config) map[lvs.Rule]int {
	all := map[lvs.Rule]int{}
	add := func(rules []lvs.Rule) {
		for _, r := range rules {
			all[r] = 1
		}
	}
	for _, prefix := range c.Masquerade {
		add(lvs.Masquerade(prefix))
	}
	add(syncRules(c.Sync))
	for _, v := range c.Virtual {
		if !v.SNAT {
			continue
		}
		for _, key := range v.Keys {
			add(lvs.SNAT(v.Name, key))
		}
	}
	return all
}

// ftp is the port whose control connections ip_vs_ftp reads, to let the data
// connections through NAT.
const ftp = 21

// modules are those that nothing loads by itself. Schedulers and persistence
// engines are loaded by the kernel when a service names them.
func modules(c *config.Config) []string {
	if len(c.Virtual) == 0 && c.Sync == nil {
		return nil
	}
	names := map[string]bool{"ip_vs": true}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			if key.Protocol == lvs.TCP && key.VIP.Port() == ftp && forwards(v, lvs.NAT) {
				names["ip_vs_ftp"] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func forwards(v config.Virtual, f lvs.Forwarding) bool {
	return slices.ContainsFunc(v.Real, func(r config.Real) bool { return r.Forwarding == f })
}
