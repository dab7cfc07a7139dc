// Package desired says what the kernel should hold: a pure function of the
// configuration and of what is known about the host. Weights, quiescence and
// fallback are decided here and nowhere else. It does no I/O and reads no clock.
package desired

import (
	"maps"
	"slices"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Host is what the desired state must know of the machine: the interfaces that
// need a parameter of their own follow from the addresses they carry, and the
// VIPs of VRRP from its part in each instance.
type Host struct {
	Addresses map[lvs.AddressKey]lvs.Address
	Roles     map[string]lvs.Role // by the instance's name
}

// Build gives the desired state of a director with this configuration on this
// host. Equal arguments give equal states.
func Build(c *config.Config, host Host) lvs.State {
	s := lvs.State{
		Timeouts: c.Timeouts,
		Services: services(c.Virtual),
		Rules:    rules(c),
		Daemons:  daemons(c, host),
	}
	s.Addresses, s.Absent = Addresses(c, host)
	carriers := maps.Clone(host.Addresses)
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
	s.Modules = modules(s.Services, len(s.Daemons) > 0)
	s.Sysctls = sysctls(c, s, Host{Addresses: carriers})
	return s
}

func services(virtual []config.Virtual) map[lvs.ServiceKey]lvs.Service {
	all := map[lvs.ServiceKey]lvs.Service{}
	for _, v := range virtual {
		for _, key := range v.Keys {
			all[key] = lvs.Service{Key: key, Settings: settings(v, key), Servers: servers(v, key)}
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

func servers(v config.Virtual, key lvs.ServiceKey) []lvs.Server {
	var list []lvs.Server
	for _, r := range v.Real {
		list = append(list, r.Server(key))
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
func modules(services map[lvs.ServiceKey]lvs.Service, daemons bool) []string {
	if len(services) == 0 && !daemons {
		return nil
	}
	names := map[string]bool{"ip_vs": true}
	for key, service := range services {
		if key.Protocol == lvs.TCP && key.VIP.Port() == ftp && forwards(service, lvs.NAT) {
			names["ip_vs_ftp"] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func forwards(s lvs.Service, f lvs.Forwarding) bool {
	return slices.ContainsFunc(s.Servers, func(r lvs.Server) bool { return r.Forwarding == f })
}
