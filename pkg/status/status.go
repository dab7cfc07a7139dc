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
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
)

// Status is a director's state at one moment. Its JSON form, which `lvsd status
// --json` prints, is for programs to read: names may be added but do not change
// (TestSchema), lists are never null, times are RFC 3339, and what a program
// should not have to guess is said beside the field.
type Status struct {
	Director string    `json:"director"` // its name; "" if its configuration could not be read
	Version  string    `json:"version"`  // of the daemon, or of the command where none runs
	Time     time.Time `json:"time"`     // when the kernel was read
	Verdict  Verdict   `json:"verdict"`  // is it well?
	Daemon   *Daemon   `json:"daemon"`   // null when none runs
	Services []Service `json:"services"` // those of the configuration by name, then the kernel's others
	Helpers  []Helper  `json:"helpers"`  // lvsd's own services, which are not among Services
	VIPs     []VIP     `json:"vips"`     // those that the configuration keeps on an interface
	VRRP     []VRRP    `json:"vrrp"`     // those that several directors share
	Sync     *Sync     `json:"sync"`     // null where connections are not shared
	Guard    *Guard    `json:"guard"`    // null without one

	SyncDaemons []SyncDaemon `json:"sync_daemons"` // those that the kernel has, and those that should be there
	Overrides   []Override   `json:"overrides"`    // the operator's words in force, sorted
	Warnings    []string     `json:"warnings"`     // what is valid but will not work on this host
}

// Daemon is what only a running daemon knows.
type Daemon struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Files   []string  `json:"files"`         // of the configuration in force
	Loaded  time.Time `json:"loaded"`        // when the configuration in force was read
	Reload  string    `json:"reload_error"`  // why the last reload was refused, a line for each problem, or ""
	Checked time.Time `json:"checked"`       // last comparison with the kernel; year 1 before the first
	Round   float64   `json:"round_seconds"` // how long that took
	InStep  bool      `json:"in_step"`       // the kernel was as desired after it
	Errors  []string  `json:"errors"`        // what could not be done or read, and is tried again
	Drift   Drift     `json:"drift"`
}

// Drift is what others changed in the kernel and lvsd put right.
type Drift struct {
	Repaired int       `json:"repaired"` // operations since the daemon started
	Last     time.Time `json:"last"`     // year 1 if there was none
	Op       string    `json:"op"`       // the last one
}

// Service is one virtual service of the kernel or of the configuration.
type Service struct {
	Virtual     string         `json:"virtual"`   // name in the configuration; "" for a service that is not lvsd's
	Service     lvs.ServiceKey `json:"service"`   // "tcp 192.0.2.1:80" or "fwmark 1 ipv4"
	Present     bool           `json:"present"`   // the kernel has it; else the rest is the configuration's
	Quiescent   bool           `json:"quiescent"` // a failed server gets weight 0; else it is removed
	Scheduler   string         `json:"scheduler"`
	Flags       []string       `json:"flags"`
	Persistence int            `json:"persistence_seconds"` // 0: not persistent
	Netmask     uint8          `json:"netmask"`             // prefix length by which clients are taken together
	Engine      string         `json:"engine"`              // of persistence, or ""
	Active      uint64         `json:"active"`              // connections now, of all its servers
	Inactive    uint64         `json:"inactive"`
	Counters    Traffic        `json:"counters"`         // since the kernel has it
	Rates       Traffic        `json:"rates"`            // per second, the kernel's own estimate
	QuorumLost  bool           `json:"quorum_lost"`      // too little weight is up; false where no daemon runs
	Ignoring    bool           `json:"failures_ignored"` // so few servers are up that their failures are not believed
	SYNs        *GuardSYNs     `json:"syns"`             // null without a guard, and in its first seconds
	Servers     []Server       `json:"servers"`          // those of the configuration, fallbacks in use, then others
}

// Server is one real server of a service.
type Server struct {
	Name       string         `json:"name"`    // "" for one that the configuration does not have
	Address    netip.AddrPort `json:"address"` // "10.0.0.1:80"; port 0 keeps the packet's
	Present    bool           `json:"present"` // the kernel has it; else weight is 0, the rest the configuration's
	Fallback   bool           `json:"fallback"`
	Forwarding string         `json:"forwarding"`        // nat, dr, tun; local for the director itself
	Tunnel     string         `json:"tunnel"`            // "" without one
	Weight     int32          `json:"weight"`            // in the kernel; 0 gets no new connections
	Configured int32          `json:"configured_weight"` // 0 for one that the configuration does not have
	Upper      uint32         `json:"upper_threshold"`   // connections; 0: no limit
	Lower      uint32         `json:"lower_threshold"`
	Active     uint32         `json:"active"` // connections now
	Inactive   uint32         `json:"inactive"`
	Persistent uint32         `json:"persistent"`
	Counters   Traffic        `json:"counters"`
	Rates      Traffic        `json:"rates"`
	Health     *Health        `json:"health"` // null for a server without checks, and where no daemon runs

	Override *override.Override `json:"override"` // that decides about it; null without
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
	Daemons   []lvs.SyncDaemon
	Roles     map[string]lvs.Role // in the VRRP instances; nil where no daemon runs
	Health    desired.Health      // zero where no daemon runs
	Verdict   desired.Verdict     // zero where no daemon runs
	Overrides override.Set

	words override.Index // of Overrides; Build's own
}

// Build lays configuration and kernel side by side: first the services of the
// configuration by name, then the kernel's others.
func Build(c *config.Config, o Observed) Status {
	o.words = o.Overrides.Index()
	kernel := make(map[lvs.ServiceKey]lvs.Service, len(o.Services))
	for _, s := range o.Services {
		kernel[s.Key] = s
	}
	s := Status{
		Director: c.Director.Name,
		Services: []Service{},
		Helpers:  helpers(c, kernel),
		VIPs:     presence(c.Addresses, o.Addresses),
		VRRP:     instances(c, o.Addresses),
		Sync:     syncOf(c, o),

		SyncDaemons: syncDaemons(c, o),
		Overrides:   overrides(c, o.Overrides),
		Warnings:    Warnings(c, o.Addresses),
	}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			have, ok := kernel[key]
			delete(kernel, key)
			if !ok {
				have = lvs.Service{Key: key, Settings: v.Settings}
			}
			s.Services = append(s.Services, service(v, have, ok, o))
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(kernel), lvs.ServiceKey.Compare) {
		s.Services = append(s.Services, service(config.Virtual{}, kernel[key], true, o))
	}
	s.Verdict = Judge(s)
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
		told := map[netip.Addr]bool{}
		for _, key := range v.Keys {
			vip := key.VIP.Addr()
			if key.Mark == 0 && !carried[vip] && !told[vip] {
				told[vip] = true
				warnings = append(warnings, fmt.Sprintf(
					"virtual %s: no interface carries %s and neither [vip] nor [vrrp] adds it, so no packet for it arrives here",
					v.Name, vip))
			}
		}
	}
	return append(warnings, bothWarnings(c, addresses)...)
}

// bothWarnings are about a director that is a real server of VIPs that it shares.
func bothWarnings(c *config.Config, addresses map[lvs.AddressKey]lvs.Address) []string {
	var warnings []string
	missing := desired.Hindrance(c)
	if missing == "" {
		return nil
	}
	for _, b := range desired.BothOf(c, addresses) {
		warnings = append(warnings, fmt.Sprintf("virtual %s: this director is one of its real servers, and without %s "+
			"a standby sends the packets that it gets from the active director back to it", b.Virtual, missing))
	}
	return warnings
}

func service(v config.Virtual, have lvs.Service, present bool, o Observed) Service {
	stats, verdict := o.Stats[have.Key], o.Verdict.Services[have.Key]
	s := Service{
		Virtual:     v.Name,
		Service:     have.Key,
		Present:     present,
		Quiescent:   v.Quiescent,
		Scheduler:   have.Scheduler,
		Flags:       append([]string{}, have.Flags.Names(have.Scheduler)...),
		Persistence: int(have.Persistence.Seconds()),
		Netmask:     have.Netmask,
		Engine:      have.Engine,
		Counters:    Traffic(stats.Counters),
		Rates:       Traffic(stats.Rates),
		QuorumLost:  verdict.Lost,
		Ignoring:    verdict.Ignoring,
		Servers:     servers(v, have, o),
	}
	for _, server := range s.Servers {
		s.Active += uint64(server.Active)
		s.Inactive += uint64(server.Inactive)
	}
	return s
}

// servers gives the configured real servers by name, then the fallbacks that
// are in use, then those that only the kernel has.
func servers(v config.Virtual, have lvs.Service, o Observed) []Server {
	stats := o.Stats[have.Key]
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
		s.Override = overrideOn(o.words, v, r, fallback)
		s.Health = healthOf(o, desired.ServerKey{Service: have.Key, Server: configured.Key}, r.Checks)
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
