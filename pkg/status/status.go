// Package status is the one look that answers "is it well?": what the director
// was asked for beside what the kernel has. Building it is a pure function.
package status

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Status is a director's state at one moment. Its JSON form is what
// `lvsd status --json` prints.
type Status struct {
	Director string    `json:"director"`
	Version  string    `json:"version"`
	Time     time.Time `json:"time"`
	Daemon   *Daemon   `json:"daemon"` // null when none runs
	Services []Service `json:"services"`
	VIPs     []VIP     `json:"vips"`
	VRRP     []VRRP    `json:"vrrp"`
	Warnings []string  `json:"warnings"`
}

// Daemon is what only a running daemon knows.
type Daemon struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Files   []string  `json:"files"`
	Loaded  time.Time `json:"loaded"`        // when the configuration in force was read
	Reload  string    `json:"reload_error"`  // why the last reload was refused, or ""
	Checked time.Time `json:"checked"`       // last comparison with the kernel
	Round   float64   `json:"round_seconds"` // how long that took
	InStep  bool      `json:"in_step"`       // the kernel was as desired after it
	Errors  []string  `json:"errors"`        // what could not be done or read, and is tried again
	Drift   Drift     `json:"drift"`
}

// Drift is what others changed in the kernel and lvsd put right.
type Drift struct {
	Repaired int       `json:"repaired"` // operations since the daemon started
	Last     time.Time `json:"last"`     // zero if there was none
	Op       string    `json:"op"`       // the last one
}

// Service is one virtual service of the kernel or of the configuration.
type Service struct {
	Virtual     string         `json:"virtual"` // name in the configuration; "" for a service that is not lvsd's
	Service     lvs.ServiceKey `json:"service"`
	Present     bool           `json:"present"` // the kernel has it
	Scheduler   string         `json:"scheduler"`
	Flags       []string       `json:"flags"`
	Persistence int            `json:"persistence_seconds"` // 0: not persistent
	Netmask     uint8          `json:"netmask"`
	Engine      string         `json:"engine"`
	Active      uint64         `json:"active"`
	Inactive    uint64         `json:"inactive"`
	Counters    Traffic        `json:"counters"`
	Rates       Traffic        `json:"rates"`
	Servers     []Server       `json:"servers"`
}

// Server is one real server of a service.
type Server struct {
	Name       string         `json:"name"` // "" for one that the configuration does not have
	Address    netip.AddrPort `json:"address"`
	Present    bool           `json:"present"`
	Fallback   bool           `json:"fallback"`
	Forwarding string         `json:"forwarding"`
	Tunnel     string         `json:"tunnel"` // "" without one
	Weight     int32          `json:"weight"` // in the kernel
	Configured int32          `json:"configured_weight"`
	Upper      uint32         `json:"upper_threshold"`
	Lower      uint32         `json:"lower_threshold"`
	Active     uint32         `json:"active"`
	Inactive   uint32         `json:"inactive"`
	Persistent uint32         `json:"persistent"`
	Counters   Traffic        `json:"counters"`
	Rates      Traffic        `json:"rates"`
}

// Traffic is a set of counters, or of their rates per second.
type Traffic struct {
	Connections uint64 `json:"connections"`
	PacketsIn   uint64 `json:"packets_in"`
	PacketsOut  uint64 `json:"packets_out"`
	BytesIn     uint64 `json:"bytes_in"`
	BytesOut    uint64 `json:"bytes_out"`
}

// VIP is an address that the configuration keeps on an interface.
type VIP struct {
	Address   netip.Prefix `json:"address"`
	Interface string       `json:"interface"`
	Present   bool         `json:"present"`
}

// Observed is what the kernel says.
type Observed struct {
	Services  []lvs.Service
	Stats     map[lvs.ServiceKey]lvs.ServiceStats
	Addresses map[lvs.AddressKey]lvs.Address
}

// Build lays configuration and kernel side by side: first the services of the
// configuration by name, then the kernel's others.
func Build(c *config.Config, o Observed) Status {
	kernel := make(map[lvs.ServiceKey]lvs.Service, len(o.Services))
	for _, s := range o.Services {
		kernel[s.Key] = s
	}
	s := Status{
		Director: c.Director.Name,
		Services: []Service{},
		VIPs:     presence(c.Addresses, o.Addresses),
		VRRP:     instances(c, o.Addresses),
		Warnings: Warnings(c, o.Addresses),
	}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			have, ok := kernel[key]
			delete(kernel, key)
			if !ok {
				have = lvs.Service{Key: key, Settings: v.Settings}
			}
			s.Services = append(s.Services, service(v, have, ok, o.Stats[key]))
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(kernel), lvs.ServiceKey.Compare) {
		s.Services = append(s.Services, service(config.Virtual{}, kernel[key], true, o.Stats[key]))
	}
	return s
}

// Warnings are what is not wrong in the file but will not work on this host.
func Warnings(c *config.Config, addresses map[lvs.AddressKey]lvs.Address) []string {
	carried := map[netip.Addr]bool{}
	for key := range addresses {
		carried[key.Prefix.Addr()] = true
	}
	for _, a := range c.Addresses {
		carried[a.Prefix.Addr()] = true
	}
	for _, v := range c.VRRP {
		for _, a := range v.VIPs {
			carried[a.Prefix.Addr()] = true
		}
	}
	warnings := []string{}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			if key.Mark == 0 && !carried[key.VIP.Addr()] {
				warnings = append(warnings, fmt.Sprintf(
					"virtual %s: no interface carries %s and neither [vip] nor [vrrp] adds it, so no packet for it arrives here",
					v.Name, key.VIP.Addr()))
			}
		}
	}
	return slices.Compact(warnings)
}

func service(v config.Virtual, have lvs.Service, present bool, stats lvs.ServiceStats) Service {
	s := Service{
		Virtual:     v.Name,
		Service:     have.Key,
		Present:     present,
		Scheduler:   have.Scheduler,
		Flags:       append([]string{}, have.Flags.Names(have.Scheduler)...),
		Persistence: int(have.Persistence.Seconds()),
		Netmask:     have.Netmask,
		Engine:      have.Engine,
		Counters:    Traffic(stats.Counters),
		Rates:       Traffic(stats.Rates),
		Servers:     servers(v, have, stats),
	}
	for _, server := range s.Servers {
		s.Active += uint64(server.Active)
		s.Inactive += uint64(server.Inactive)
	}
	return s
}

// servers gives the configured real servers by name, then the fallbacks that
// are in use, then those that only the kernel has.
func servers(v config.Virtual, have lvs.Service, stats lvs.ServiceStats) []Server {
	kernel := map[netip.AddrPort]lvs.Server{}
	for _, s := range have.Servers {
		kernel[s.Key] = s
	}
	list := []Server{}
	add := func(r config.Real, fallback bool) {
		configured := r.Server(have.Key)
		inKernel, present := kernel[configured.Key]
		if fallback && !present {
			return
		}
		delete(kernel, configured.Key)
		s := server(inKernel, stats.Servers[configured.Key])
		if !present {
			s = server(configured, lvs.ServerStats{})
			s.Weight = 0
		}
		s.Name, s.Present, s.Fallback, s.Configured = r.Name, present, fallback, r.Weight
		list = append(list, s)
	}
	for _, r := range v.Real {
		add(r, false)
	}
	for _, r := range v.Fallback {
		add(r, true)
	}
	for _, s := range slices.SortedFunc(maps.Values(kernel), func(a, b lvs.Server) int {
		return a.Key.Compare(b.Key)
	}) {
		extra := server(s, stats.Servers[s.Key])
		extra.Present = true
		list = append(list, extra)
	}
	return list
}

func server(s lvs.Server, stats lvs.ServerStats) Server {
	tunnel := ""
	if s.Forwarding == lvs.TUN {
		tunnel = s.Tunnel.String()
	}
	return Server{
		Address:    s.Key,
		Forwarding: s.Forwarding.String(),
		Tunnel:     tunnel,
		Weight:     s.Weight,
		Upper:      s.Upper,
		Lower:      s.Lower,
		Active:     stats.Active,
		Inactive:   stats.Inactive,
		Persistent: stats.Persistent,
		Counters:   Traffic(stats.Counters),
		Rates:      Traffic(stats.Rates),
	}
}
