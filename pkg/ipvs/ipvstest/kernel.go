// Package ipvstest has an IPVS table in memory that behaves as the kernel's
// does, errno values included, and the contract test that holds the two to the
// same behaviour.
package ipvstest

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Kernel is an IPVS table in memory, with the methods of ipvs.Table. It may be
// used from several goroutines; the exported fields are set before its first use.
type Kernel struct {
	// Fail, if set, is asked before each change: an error is the change's
	// outcome and leaves the table as it is.
	Fail func(lvs.Change) error
	// FailRead, if set, is asked before each reading of the table, its
	// statistics or the time-outs.
	FailRead func() error

	mu       sync.Mutex
	services map[lvs.ServiceKey]service
	stats    map[lvs.ServiceKey]lvs.ServiceStats
	timeouts lvs.Timeouts
	daemons  map[lvs.SyncRole]lvs.SyncDaemon
	ops      []Op
}

type service struct {
	lvs.Settings
	servers map[netip.AddrPort]lvs.ServerSettings
}

// New gives an empty table with the kernel's default time-outs.
func New() *Kernel {
	return &Kernel{
		services: make(map[lvs.ServiceKey]service),
		stats:    make(map[lvs.ServiceKey]lvs.ServiceStats),
		daemons:  make(map[lvs.SyncRole]lvs.SyncDaemon),
		timeouts: lvs.Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 5 * time.Minute},
	}
}

// Services gives the table, sorted.
func (k *Kernel) Services() ([]lvs.Service, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.failRead(); err != nil {
		return nil, fmt.Errorf("read virtual services: %w", err)
	}
	return k.sorted(), nil
}

func (k *Kernel) sorted() []lvs.Service {
	var all []lvs.Service
	for key, s := range k.services {
		out := lvs.Service{Key: key, Settings: s.Settings}
		for address, settings := range s.servers {
			out.Servers = append(out.Servers, lvs.Server{Key: address, ServerSettings: settings})
		}
		lvs.SortServers(out.Servers)
		all = append(all, out)
	}
	slices.SortFunc(all, func(a, b lvs.Service) int { return a.Key.Compare(b.Key) })
	return all
}

// Read gives the table, and what SetStats set, or zeroes, for every service and
// server.
func (k *Kernel) Read() ([]lvs.Service, map[lvs.ServiceKey]lvs.ServiceStats, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.failRead(); err != nil {
		return nil, nil, fmt.Errorf("read virtual services: %w", err)
	}
	all := make(map[lvs.ServiceKey]lvs.ServiceStats)
	for key, s := range k.services {
		known := k.stats[key]
		servers := make(map[netip.AddrPort]lvs.ServerStats)
		for address := range s.servers {
			servers[address] = known.Servers[address]
		}
		known.Servers = servers
		all[key] = known
	}
	return k.sorted(), all, nil
}

// Servers gives the servers of one service, sorted, and what SetStats set for them.
func (k *Kernel) Servers(key lvs.ServiceKey) ([]lvs.Server, map[netip.AddrPort]lvs.ServerStats, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.failRead(); err != nil {
		return nil, nil, fmt.Errorf("read real servers of %s: %w", key, err)
	}
	var servers []lvs.Server
	stats := make(map[netip.AddrPort]lvs.ServerStats)
	for address, settings := range k.services[key].servers {
		servers = append(servers, lvs.Server{Key: address, ServerSettings: settings})
		stats[address] = k.stats[key].Servers[address]
	}
	lvs.SortServers(servers)
	return servers, stats, nil
}

// SetStats sets the statistics that Read gives for a service and its servers
// from now on.
func (k *Kernel) SetStats(key lvs.ServiceKey, s lvs.ServiceStats) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.Servers = maps.Clone(s.Servers)
	k.stats[key] = s
}

// Timeouts gives the connection time-outs.
func (k *Kernel) Timeouts() (lvs.Timeouts, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.failRead(); err != nil {
		return lvs.Timeouts{}, fmt.Errorf("read ipvs time-outs: %w", err)
	}
	return k.timeouts, nil
}

// SetTimeouts sets the connection time-outs that are not zero.
func (k *Kernel) SetTimeouts(want lvs.Timeouts) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range []time.Duration{want.TCP, want.TCPFin, want.UDP} {
		if err := refuseSeconds(d, math.MaxInt32); err != nil {
			return fmt.Errorf("set ipvs time-outs: %w", err)
		}
	}
	for _, field := range []struct{ have, want *time.Duration }{
		{&k.timeouts.TCP, &want.TCP},
		{&k.timeouts.TCPFin, &want.TCPFin},
		{&k.timeouts.UDP, &want.UDP},
	} {
		if *field.want != 0 {
			*field.have = *field.want
		}
	}
	return nil
}

func (k *Kernel) failRead() error {
	if k.FailRead == nil {
		return nil
	}
	return k.FailRead()
}

// String is the table as Text has it.
func (k *Kernel) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Text(k.sorted())
}
