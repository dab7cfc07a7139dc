// Command bench measures lvsd against ipvsadm in one run of one kernel and
// prints the ratios. It needs root and a kernel with IPVS: run it with "make
// bench". It ends with 1 if a ratio misses its target.
package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"text/tabwriter"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// measurement times the same work done by lvsd and by a peer.
type measurement struct {
	name   string
	peer   string
	target float64 // what lvsd may take, as a share of the peer's time
	run    func([]lvs.Service) (ours, theirs time.Duration, err error)
}

var measurements = []measurement{
	{"fill an empty table", "ipvsadm -R", 0.1, fill},
	{"read the table", "ipvsadm -Sn", 0.5, read},
}

func main() {
	services := flag.Int("services", 10000, "virtual services in the table")
	servers := flag.Int("servers", 10, "real servers of each")
	flag.Parse()
	ok, err := measure(table(*services, *servers))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// measure prints one line for each measurement and tells whether all of them
// kept their targets.
func measure(services []lvs.Service) (bool, error) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "%d services\tpeer\tits time\tlvsd\tratio\ttarget\t\n", len(services))
	kept := true
	for _, m := range measurements {
		ours, theirs, err := m.run(services)
		if err != nil {
			return false, fmt.Errorf("%s: %w", m.name, err)
		}
		ratio, verdict := ours.Seconds()/theirs.Seconds(), "kept"
		if ratio > m.target {
			kept, verdict = false, "missed"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%.3f\t%.3f\t%s\n", m.name, m.peer,
			theirs.Round(time.Millisecond), ours.Round(time.Millisecond), ratio, m.target, verdict)
	}
	return kept, out.Flush()
}

// table makes a table of services, with no address twice.
func table(services, servers int) []lvs.Service {
	vip, server := netip.MustParseAddr("198.18.0.0"), netip.MustParseAddr("10.0.0.0")
	var all []lvs.Service
	for range services {
		vip = vip.Next()
		s := lvs.Service{
			Key:      lvs.AddrKey(lvs.TCP, netip.AddrPortFrom(vip, 80)),
			Settings: lvs.Settings{Scheduler: "wlc", Netmask: 32},
		}
		for range servers {
			server = server.Next()
			s.Servers = append(s.Servers, lvs.Server{
				Key:            netip.AddrPortFrom(server, 80),
				ServerSettings: lvs.ServerSettings{Forwarding: lvs.DR, Weight: 1},
			})
		}
		all = append(all, s)
	}
	return all
}
