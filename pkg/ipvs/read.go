package ipvs

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// dumpTries is how often a dump that changes of the table interrupt is begun.
const dumpTries = 4

// Services reads the whole table, sorted by key.
//
// The kernel has no way to read it at one moment: a service or a server that
// somebody else adds or removes meanwhile may be seen or not, and one beside it
// may be missed until the next reading.
func (t *Table) Services() ([]lvs.Service, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	services, err := t.readServices(nil)
	if err != nil {
		return nil, err
	}
	var servers []lvs.Server // one for all services, so that it grows once
	for i := range services {
		servers, err = t.readServers(services[i].Key, servers, nil)
		if err != nil {
			return nil, err
		}
		services[i].Servers = slices.Clone(servers)
	}
	return services, nil
}

// Read reads the whole table as Services does, and in the same passage the statistics
// of every service and server. The kernel sums up the counters and rates every two
// seconds; connections are those of now.
func (t *Table) Read() ([]lvs.Service, map[lvs.ServiceKey]lvs.ServiceStats, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[lvs.ServiceKey]lvs.ServiceStats)
	services, err := t.readServices(all)
	if err != nil {
		return nil, nil, err
	}
	var servers []lvs.Server
	for i := range services {
		key := services[i].Key
		s := all[key]
		s.Servers = make(map[netip.AddrPort]lvs.ServerStats)
		if servers, err = t.readServers(key, servers, s.Servers); err != nil {
			return nil, nil, err
		}
		services[i].Servers, all[key] = slices.Clone(servers), s
	}
	return services, all, nil
}

// Servers reads the real servers of one service with their statistics, sorted. A
// service that does not exist has none.
func (t *Table) Servers(key lvs.ServiceKey) ([]lvs.Server, map[netip.AddrPort]lvs.ServerStats, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	stats := make(map[netip.AddrPort]lvs.ServerStats)
	servers, err := t.readServers(key, nil, stats)
	return servers, stats, err
}

// readServices reads the services without their servers, sorted, and their
// statistics into a map if there is one.
func (t *Table) readServices(stats map[lvs.ServiceKey]lvs.ServiceStats) ([]lvs.Service, error) {
	var services []lvs.Service
	var counted *lvs.ServiceStats
	if stats != nil {
		counted = new(lvs.ServiceStats)
	}
	err := retry(func() error {
		services = services[:0]
		clear(stats)
		return t.conn.dump(cmdGetService, nil, func(attributes []byte) error {
			s, err := parseService(attributes, counted)
			if err != nil {
				return err
			}
			services = append(services, s)
			if stats != nil {
				stats[s.Key], *counted = *counted, lvs.ServiceStats{}
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read virtual services: %w", err)
	}
	slices.SortFunc(services, func(a, b lvs.Service) int { return a.Key.Compare(b.Key) })
	return slices.CompactFunc(services, func(a, b lvs.Service) bool { return a.Key == b.Key }), nil
}

// readServers reads the servers of a service, sorted, into the place of others,
// and their statistics into a map if there is one. A service that is gone has
// none. A server that a dump showed twice, because the list moved, counts once.
func (t *Table) readServers(key lvs.ServiceKey, servers []lvs.Server, stats map[netip.AddrPort]lvs.ServerStats) ([]lvs.Server, error) {
	var counted *lvs.ServerStats
	if stats != nil {
		counted = new(lvs.ServerStats)
	}
	err := retry(func() error {
		servers = servers[:0]
		clear(stats)
		return t.conn.dump(cmdGetDest, &key, func(attributes []byte) error {
			s, err := parseServer(attributes, key.Family(), counted)
			if err != nil {
				return err
			}
			servers = append(servers, s)
			if stats != nil {
				stats[s.Key], *counted = *counted, lvs.ServerStats{}
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read real servers of %s: %w", key, err)
	}
	lvs.SortServers(servers)
	return slices.CompactFunc(servers, func(a, b lvs.Server) bool { return a.Key == b.Key }), nil
}

// retry begins a dump again, dumpTries in all, while changes interrupt it.
func retry(dump func() error) error {
	var err error
	for range dumpTries {
		if err = dump(); !errors.Is(err, errInterrupted) {
			return err
		}
	}
	return err
}
