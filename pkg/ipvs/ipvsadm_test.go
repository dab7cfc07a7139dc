package ipvs

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// TestAgreesWithIpvsadm has an independent reader look at what Apply wrote, and
// Services at what an independent writer wrote.
func TestAgreesWithIpvsadm(t *testing.T) {
	table := open(t)
	want := slices.DeleteFunc(ipvstest.Samples(), beyondIpvsadm)
	for _, err := range table.Apply(t.Context(), ipvstest.Adds(want)) {
		if err != nil {
			t.Fatal(err)
		}
	}
	saved := run(t, "ipvsadm", "-Sn")
	if diff := cmp.Diff(withoutThresholds(want), parseIpvsadm(t, saved), comparing); diff != "" {
		t.Errorf("ipvsadm -Sn (-written +got):\n%s", diff)
	}
	if diff := cmp.Diff(thresholds(want), parseThresholds(run(t, "ipvsadm", "-Ln", "--thresholds"))); diff != "" {
		t.Errorf("ipvsadm -Ln --thresholds (-written +got):\n%s", diff)
	}

	other := open(t)
	run(t, "sh", "-c", "echo \"$1\" | ipvsadm -R", "sh", saved)
	got, err := other.Services()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parseIpvsadm(t, saved), got, comparing); diff != "" {
		t.Errorf("after ipvsadm -R (-asked +got):\n%s", diff)
	}
}

var comparing = cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.EquateEmpty()}

// beyondIpvsadm tells of the samples that ipvsadm 1.31 cannot write, though the
// kernel takes them: it knows no third flag of sh and mh, and one-packet for UDP
// only. The scheduler twos may not be in the kernel.
func beyondIpvsadm(s lvs.Service) bool {
	hashing := s.Scheduler == "sh" || s.Scheduler == "mh"
	return hashing && s.Flags&lvs.Sched3 != 0 ||
		s.Key.Protocol != lvs.UDP && s.Flags&lvs.OnePacket != 0 ||
		lacks(s.Scheduler)
}

// withoutThresholds takes away what ipvsadm -Sn does not write.
func withoutThresholds(services []lvs.Service) []lvs.Service {
	out := slices.Clone(services)
	for i := range out {
		out[i].Servers = slices.Clone(out[i].Servers)
		for j := range out[i].Servers {
			out[i].Servers[j].Upper, out[i].Servers[j].Lower = 0, 0
		}
	}
	return out
}

// parseIpvsadm reads the output of ipvsadm -Sn.
func parseIpvsadm(t *testing.T, saved string) []lvs.Service {
	t.Helper()
	var services []lvs.Service
	for line := range strings.Lines(saved) {
		args := strings.Fields(line)
		s, server := parseRule(t, args[1:])
		switch args[0] {
		case "-A":
			services = append(services, s)
		case "-a":
			last := &services[len(services)-1]
			if last.Key != s.Key {
				t.Fatalf("server of %s among those of %s", s.Key, last.Key)
			}
			last.Servers = append(last.Servers, server)
		default:
			t.Fatalf("unexpected line %q", line)
		}
	}
	for i := range services {
		lvs.SortServers(services[i].Servers)
	}
	slices.SortFunc(services, func(a, b lvs.Service) int { return a.Key.Compare(b.Key) })
	return services
}

// parseRule reads the arguments of one -A or -a.
func parseRule(t *testing.T, args []string) (s lvs.Service, server lvs.Server) {
	t.Helper()
	next := func() string {
		if len(args) == 0 {
			t.Fatal("line ends inside of an option")
		}
		word := args[0]
		args = args[1:]
		return word
	}
	number := func() int {
		n, err := strconv.Atoi(next())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	protocols := map[string]lvs.Protocol{"-t": lvs.TCP, "-u": lvs.UDP, "--sctp-service": lvs.SCTP}
	for len(args) > 0 {
		switch option := next(); option {
		case "-t", "-u", "--sctp-service":
			s.Key = lvs.AddrKey(protocols[option], netip.MustParseAddrPort(next()))
			s.Netmask = uint8(s.Key.Family().Bits())
		case "-f":
			s.Key = lvs.MarkKey(uint32(number()), lvs.IPv4)
			s.Netmask = 32
		case "-6":
			s.Key.MarkOf = lvs.IPv6
			s.Netmask = 128
		case "-s":
			s.Scheduler = next()
		case "-p":
			s.Persistence = time.Duration(number()) * time.Second
		case "-M":
			s.Netmask = parseNetmask(t, next())
		case "--pe":
			s.Engine = next()
		case "-o":
			s.Flags |= lvs.OnePacket
		case "-b":
			for _, name := range strings.Split(next(), ",") {
				flag, ok := lvs.ParseSchedulerFlag(s.Scheduler, name)
				if !ok {
					t.Fatalf("unknown flag %q of %s", name, s.Scheduler)
				}
				s.Flags |= flag
			}
		case "-r":
			server.Key = netip.MustParseAddrPort(next())
		case "-m":
			server.Forwarding = lvs.NAT
		case "-g":
			server.Forwarding = lvs.DR
		case "-i":
			server.Forwarding = lvs.TUN
		case "-w":
			server.Weight = int32(number())
		case "--tun-type":
			kind, err := lvs.ParseTunnelType(next())
			if err != nil {
				t.Fatal(err)
			}
			server.Tunnel.Type = kind
		case "--tun-port":
			server.Tunnel.Port = uint16(number())
		case "--tun-nocsum":
		case "--tun-csum":
			server.Tunnel.Checksum = lvs.WithChecksum
		case "--tun-remcsum":
			server.Tunnel.Checksum = lvs.RemoteChecksum
		default:
			t.Fatalf("unknown option %q", option)
		}
	}
	return s, server
}

func parseNetmask(t *testing.T, s string) uint8 {
	t.Helper()
	if n, err := strconv.Atoi(s); err == nil {
		return uint8(n)
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	ones := 0
	for _, b := range a.AsSlice() {
		ones += bits.OnesCount8(b)
	}
	return uint8(ones)
}

func thresholds(services []lvs.Service) []string {
	var all []string
	for _, s := range services {
		for _, server := range s.Servers {
			all = append(all, fmt.Sprintf("%s %d %d", server.Key, server.Upper, server.Lower))
		}
	}
	slices.Sort(all)
	return all
}

func parseThresholds(list string) []string {
	var all []string
	for line := range strings.Lines(list) {
		words := strings.Fields(line)
		if words[0] == "->" && words[1] != "RemoteAddress:Port" {
			all = append(all, strings.Join(words[1:4], " "))
		}
	}
	slices.Sort(all)
	return all
}
