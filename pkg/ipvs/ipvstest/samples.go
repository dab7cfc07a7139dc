package ipvstest

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Samples gives services, sorted, that together have every setting that there
// is: each scheduler with each flag, each protocol and mark in both families,
// each way of persistence, each forwarding method and tunnel.
func Samples() []lvs.Service {
	var all []lvs.Service
	for i, key := range sampleKeys() {
		s := lvs.Service{Key: key, Settings: sampleSettings(key.Family())[i]}
		s.Servers = sampleServers(key)
		if i%5 != 0 { // all of them would be many, and none is a case too
			s.Servers = s.Servers[:i%3]
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b lvs.Service) int { return a.Key.Compare(b.Key) })
	return all
}

// Adds gives the changes that make services out of nothing.
func Adds(services []lvs.Service) []lvs.Change {
	var changes []lvs.Change
	for _, s := range services {
		changes = append(changes, lvs.Change{Verb: lvs.Add, Service: s})
		for _, server := range s.Servers {
			changes = append(changes, lvs.Change{Verb: lvs.Add, Service: s, Server: &server})
		}
	}
	return changes
}

// sampleKeys gives as many keys as there are settings, of all kinds in turn.
func sampleKeys() []lvs.ServiceKey {
	var keys []lvs.ServiceKey
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for i := range len(sampleSettings(lvs.IPv4)) {
		protocol := []lvs.Protocol{lvs.TCP, lvs.UDP, lvs.SCTP}[i%3]
		switch i % 4 {
		case 0:
			keys = append(keys, lvs.AddrKey(protocol, netip.AddrPortFrom(v4, uint16(1000+i))))
		case 1:
			keys = append(keys, lvs.AddrKey(protocol, netip.AddrPortFrom(v6, uint16(1000+i))))
		case 2:
			keys = append(keys, lvs.MarkKey(uint32(i), lvs.IPv4))
		case 3:
			keys = append(keys, lvs.MarkKey(uint32(i), lvs.IPv6))
		}
	}
	return keys
}

func sampleSettings(f lvs.Family) []lvs.Settings {
	var all []lvs.Settings
	one := uint8(f.Bits())
	for _, scheduler := range lvs.Schedulers {
		for _, flags := range []lvs.Flags{0, lvs.OnePacket, lvs.Sched1, lvs.Sched2, lvs.Sched3,
			lvs.Sched1 | lvs.Sched2, lvs.OnePacket | lvs.Sched1 | lvs.Sched2 | lvs.Sched3} {
			all = append(all, lvs.Settings{Scheduler: scheduler, Flags: flags, Netmask: one})
		}
	}
	for netmask := uint8(1); netmask <= one; netmask++ {
		all = append(all, lvs.Settings{Scheduler: "wlc", Persistence: 300 * time.Second, Netmask: netmask})
	}
	// The list is as long for IPv4 as for IPv6, so that they can take turns.
	for len(all) < len(lvs.Schedulers)*7+128 {
		all = append(all, lvs.Settings{Scheduler: "wlc", Flags: lvs.OnePacket,
			Persistence: time.Duration(len(all)) * time.Second, Netmask: one, Engine: "sip"})
	}
	return all
}

// sampleServers gives servers with every forwarding method and tunnel. Only NAT
// can have another port than the service.
func sampleServers(k lvs.ServiceKey) []lvs.Server {
	own, other := "10.0.0.", "fd00::"
	if k.Family() == lvs.IPv6 {
		own, other = other, own
	}
	var servers []lvs.Server
	add := func(network string, port uint16, s lvs.ServerSettings) {
		address := netip.MustParseAddr(network + strconv.Itoa(1+len(servers)))
		servers = append(servers, lvs.Server{Key: netip.AddrPortFrom(address, port), ServerSettings: s})
	}
	port := k.VIP.Port()
	add(own, port, lvs.ServerSettings{Forwarding: lvs.DR, Upper: 7})
	add(own, 8080, lvs.ServerSettings{Forwarding: lvs.NAT, Weight: 100000, Upper: 200, Lower: 100})
	add(own, port, lvs.ServerSettings{Forwarding: lvs.TUN, Weight: 1})
	add(own, port, tunnel(lvs.GUE, 6080, lvs.NoChecksum))
	add(own, port, tunnel(lvs.GUE, 6081, lvs.WithChecksum))
	add(own, port, tunnel(lvs.GUE, 6082, lvs.RemoteChecksum))
	add(own, port, tunnel(lvs.GRE, 0, lvs.NoChecksum))
	add(own, port, tunnel(lvs.GRE, 0, lvs.WithChecksum))
	add(other, port, lvs.ServerSettings{Forwarding: lvs.TUN, Weight: 1})
	lvs.SortServers(servers)
	return servers
}
