// Command bench measures lvsd against ipvsadm, and its checks against those of
// keepalived and ldirectord, in one run of one kernel. It needs root and a kernel
// with IPVS: run it with "make bench". It ends with 1 if a ratio misses its target,
// or a check takes more processor time than keepalived's.
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
	target float64 // what lvsd may take, as a share of the peer's time; 0 is no target
	run    func([]lvs.Service) (ours, theirs time.Duration, err error)
}

// measurements are in the order of their printing. program is lvsd's binary.
func measurements(program string) []measurement {
	return []measurement{
		{"fill an empty table: the writes alone", "ipvsadm -R", 0.1, fill},
		{"… a whole round of the director", "ipvsadm -R", 0.1, firstRound(program)},
		{"… the process, its file read too", "ipvsadm -R", 0, start(program)},
		{"read the table", "ipvsadm -Sn", 0.5, read},
		{"a round that changes nothing", "ipvsadm -Sn", 0.5, idleRound(program)},
	}
}

func main() {
	services := flag.Int("services", 10000, "virtual services in the table; 0 leaves the table out")
	servers := flag.Int("servers", 10, "real servers of each")
	program := flag.String("lvsd", "build/lvsd", "the program to measure")
	checks := flag.Int("checks", 2000, "real servers with a tcp check each second; 0 leaves the checks out")
	flag.Parse()
	ok, err := true, error(nil)
	if *services > 0 {
		ok, err = measure(measurements(*program), table(*services, *servers))
	}
	if err == nil && *checks > 0 {
		var cheap bool
		cheap, err = measureChecks(*program, *checks)
		ok = ok && cheap
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// measure prints one line for each measurement and tells whether all of them
// kept their targets.
func measure(measurements []measurement, services []lvs.Service) (bool, error) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "%d services\tpeer\tits time\tlvsd\tratio\ttarget\t\n", len(services))
	kept := true
	for _, m := range measurements {
		ours, theirs, err := m.run(services)
		if err != nil {
			return false, fmt.Errorf("%s: %w", m.name, err)
		}
		ratio := ours.Seconds() / theirs.Seconds()
		kept = kept && m.keeps(ratio)
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%.3f\t%s\n", m.name, m.peer,
			theirs.Round(time.Millisecond), ours.Round(time.Millisecond), ratio, m.verdict(ratio))
	}
	return kept, out.Flush()
}

func (m measurement) keeps(ratio float64) bool { return m.target == 0 || ratio <= m.target }

func (m measurement) verdict(ratio float64) string {
	switch {
	case m.target == 0:
		return "none"
	case m.keeps(ratio):
		return fmt.Sprintf("%.2f, kept", m.target)
	}
	return fmt.Sprintf("%.2f, missed", m.target)
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
