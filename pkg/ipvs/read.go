package ipvs

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// dumpTries is how often a dump is begun that a change of the table interrupts.
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
		s := &services[i]
		servers = servers[:0]
		err := t.readServers(s.Key, func(attributes []byte) error {
			server, err := parseServer(attributes, s.Key.Family(), nil)
			servers = append(servers, server)
			return err
		})
		if err != nil {
			return nil, err
		}
		lvs.SortServers(servers)
		s.Servers = slices.Clone(slices.CompactFunc(servers, sameServer))
	}
	return services, nil
}

// Stats reads the statistics of every service and server. The kernel sums up
// the counters and rates every two seconds; connections are those of now.
func (t *Table) Stats() (map[lvs.ServiceKey]lvs.ServiceStats, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[lvs.ServiceKey]lvs.ServiceStats)
	services, err := t.readServices(all)
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		servers := make(map[netip.AddrPort]lvs.ServerStats)
		err := t.readServers(s.Key, func(attributes []byte) error {
			var stats lvs.ServerStats
			server, err := parseServer(attributes, s.Key.Family(), &stats)
			servers[server.Key] = stats
			return err
		})
		if err != nil {
			return nil, err
		}
		stats := all[s.Key]
		stats.Servers = servers
		all[s.Key] = stats
	}
	return all, nil
}

// readServices reads the services without their servers, sorted, and their
// statistics into a map if there is one.
func (t *Table) readServices(stats map[lvs.ServiceKey]lvs.ServiceStats) ([]lvs.Service, error) {
	var services []lvs.Service
	err := retry(func() error {
		services = services[:0]
		return t.conn.dump(cmdGetService, nil, func(attributes []byte) error {
			var counted *lvs.ServiceStats
			if stats != nil {
				counted = new(lvs.ServiceStats)
			}
			s, err := parseService(attributes, counted)
			if err != nil {
				return err
			}
			services = append(services, s)
			if stats != nil {
				stats[s.Key] = *counted
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

// readServers calls f with the attributes of each server of a service. A
// service that is gone has none.
func (t *Table) readServers(key lvs.ServiceKey, f func(attributes []byte) error) error {
	err := retry(func() error { return t.conn.dump(cmdGetDest, &key, f) })
	if err != nil {
		return fmt.Errorf("read real servers of %s: %w", key, err)
	}
	return nil
}

// sameServer finds one that a dump showed twice because the list moved.
func sameServer(a, b lvs.Server) bool { return a.Key == b.Key }

func retry(dump func() error) error {
	var err error
	for range dumpTries {
		if err = dump(); !errors.Is(err, errInterrupted) {
			return err
		}
	}
	return err
}
