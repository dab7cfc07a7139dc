package realserver

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

var (
	mac1 = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	mac2 = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

// render writes checks as lines: the bad ones with an exclamation mark.
func render(checks []Check) string {
	var b strings.Builder
	for _, c := range checks {
		mark := " "
		if !c.OK {
			mark = "!"
		}
		fmt.Fprintf(&b, "%s %s: %s\n", mark, c.Item, c.Found)
		if c.Remedy != "" {
			fmt.Fprintf(&b, "    %s\n", c.Remedy)
		}
	}
	return b.String()
}

func TestStatus(t *testing.T) {
	withDirector := byDR
	withDirector.Director = netip.MustParseAddr("10.0.0.1")
	tests := []struct {
		name   string
		config Config
		broken func(t *testing.T, f *fake) // after the setup; nil: there was no setup
		want   string
	}{
		{name: "dr without setup", config: byDR, want: `
! sysctl net.ipv4.conf.all.arp_ignore: net.ipv4.conf.all.arp_ignore = 0
    sysctl -w net.ipv4.conf.all.arp_ignore=1
! sysctl net.ipv4.conf.all.arp_announce: net.ipv4.conf.all.arp_announce = 0
    sysctl -w net.ipv4.conf.all.arp_announce=2
! sysctl net.ipv4.conf.eth0.arp_ignore: net.ipv4.conf.eth0.arp_ignore = 0
    sysctl -w net.ipv4.conf.eth0.arp_ignore=1
! sysctl net.ipv4.conf.eth0.arp_announce: net.ipv4.conf.eth0.arp_announce = 0
    sysctl -w net.ipv4.conf.eth0.arp_announce=2
! address 10.0.0.200/32 on lo: it is not there
    ip address add 10.0.0.200/32 dev lo label lo:0
! address fd00::200/128 on lo: it is not there
    ip address add fd00::200/128 dev lo valid_lft forever preferred_lft 0 nodad
  ARP for 10.0.0.200: nobody answers: no director has it now
`},
		{name: "several hosts answer", config: byDR, broken: func(_ *testing.T, f *fake) {
			f.devices.Neighbours = map[netip.Addr][]net.HardwareAddr{netip.MustParseAddr("10.0.0.200"): {mac1, mac2}}
		}, want: `
! ARP for 10.0.0.200: several hosts answer: 02:00:00:00:00:01, 02:00:00:00:00:02
    all but the director must be silent: run ` + "`lvsd realserver status`" + ` on the others
`},
		{name: "the gateway is the director, by ARP", config: byDR, broken: func(_ *testing.T, f *fake) {
			f.devices.Neighbours = map[netip.Addr][]net.HardwareAddr{
				netip.MustParseAddr("10.0.0.200"): {mac1}, netip.MustParseAddr("10.0.0.1"): {mac1},
			}
		}, want: `
! ARP for 10.0.0.200: the director answers: 02:00:00:00:00:01, which is also the gateway 10.0.0.1
    route past the director: it drops packets that come from its own VIP
`},
		{name: "the gateway is the director, by its address", config: withDirector, broken: func(*testing.T, *fake) {}, want: `
! route to the clients: via 10.0.0.1 on eth0
    route past the director: it drops packets that come from its own VIP
`},
		{name: "nat with a wrong route", config: Config{Director: netip.MustParseAddr("10.0.0.3")}, want: `
! route to the clients: via 10.0.0.1 on eth0
    ip route replace default via 10.0.0.3 (nat: the answers must pass the director)
`},
		{name: "nat with the route set", config: byNAT, broken: func(*testing.T, *fake) {}},
		{name: "the VIP on a real interface", config: byDR, broken: func(t *testing.T, f *fake) { f.give(t, "eth1", "10.0.0.200/24") }, want: `
! set-up: VIP 10.0.0.200 is an address of eth1: there it would be announced to the network; delete it with ` + "`ip address del 10.0.0.200/24 dev eth1`" + `
    correct this first: nothing else was looked at
`},
		{name: "strict filter on the tunnel", config: byIPIP, broken: func(t *testing.T, f *fake) {
			must(t, f.sysctls.Write("net.ipv4.conf.lvsd-ipip0.rp_filter", "0"))
			must(t, f.sysctls.Write("net.ipv4.conf.all.rp_filter", "1"))
		}, want: `
! sysctl net.ipv4.conf.lvsd-ipip0.rp_filter: net.ipv4.conf.lvsd-ipip0.rp_filter = 0, net.ipv4.conf.all.rp_filter = 1
    sysctl -w net.ipv4.conf.lvsd-ipip0.rp_filter=2
`},
		{name: "the tunnel is down", config: byGRE, broken: func(t *testing.T, f *fake) { must(t, f.devices.SetDown("lvsd-gre0")) }, want: `
! tunnel lvsd-gre0 (gre to 10.0.0.2): lvsd-gre0 is down
    modprobe ip_gre; ip link add lvsd-gre0 type gre local 10.0.0.2; ip link set lvsd-gre0 up
`},
		{name: "the port is closed", config: byGUE, broken: func(t *testing.T, f *fake) {
			must(t, f.devices.DeleteGUEPort(netdev.GUEPort{Family: lvs.IPv4, Port: 6080}))
		}, want: `
! gue port 6080 of ipv4: it is closed
    modprobe fou; ip fou add port 6080 gue
`},
		{name: "a firewall drops the tunnel", config: byGRE, broken: func(_ *testing.T, f *fake) {
			f.firewall.Blocks = map[firewall.Packet]string{
				{In: "eth0", Protocol: 47, Dst: netip.MustParseAddr("10.0.0.2")}: "-A INPUT -p gre -j DROP",
			}
		}, want: `
! firewall for protocol 47 to 10.0.0.2 on eth0: dropped by -A INPUT -p gre -j DROP
    accept it in the chain INPUT before that rule
`},
		{name: "the segment size is gone", config: byIPIP, broken: func(t *testing.T, f *fake) {
			must(t, f.firewall.Delete(clamp(netip.MustParseAddr("10.0.0.200"), 1440)[1]))
		}, want: `
! rule iptables -t mangle -A OUTPUT -j LVSD-OUTPUT: it is not there
    iptables -t mangle -I OUTPUT -j LVSD-OUTPUT
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			if tt.broken != nil {
				must(t, setup(f, tt.config))
				tt.broken(t, f)
			}
			checks, err := f.server().Status(t.Context(), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			if Ready(checks) != (tt.want == "") {
				t.Errorf("ready: %v", Ready(checks))
			}
			if tt.broken != nil { // only what is bad
				var bad []Check
				for _, c := range checks {
					if !c.OK {
						bad = append(bad, c)
					}
				}
				checks = bad
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), render(checks)); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatusChangesNothing(t *testing.T) {
	for name, c := range every {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.failing(func(op, what string) error {
				if writes(op) {
					t.Errorf("status did %s %s", op, what)
				}
				return nil
			})
			if _, err := f.server().Status(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPortCheck(t *testing.T) {
	vip4, vip6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	any4, any6, other := netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("10.0.0.2")
	tests := []struct {
		name      string
		vip       netip.Addr
		listeners []netip.Addr
		want      string // "" is well
	}{
		{"on the VIP", vip4, []netip.Addr{vip4}, ""},
		{"on every IPv4 address", vip4, []netip.Addr{any4}, ""},
		{"on every address", vip4, []netip.Addr{any6}, ""},
		{"on every address, IPv6", vip6, []netip.Addr{any6}, ""},
		{"on every IPv4 address, IPv6", vip6, []netip.Addr{any4}, "it listens only on 0.0.0.0"},
		{"elsewhere", vip4, []netip.Addr{other}, "it listens only on 10.0.0.2"},
		{"nowhere", vip4, nil, "nothing listens"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := portCheck(tt.vip, config.Port{Protocol: lvs.TCP, Number: 80}, tt.listeners)
			if got.OK != (tt.want == "") || !got.OK && got.Found != tt.want {
				t.Errorf("got %+v, want %q", got, tt.want)
			}
		})
	}
}

const tcp4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: C80000C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   2: 00000000:0051 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   3: 0200000A:0050 0300000A:C001 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0
`

const tcp6 = `   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A
   1: B80D0120000000000000000001000000:0050 00000000000000000000000000000000:0000 0A
`

func TestParseSockets(t *testing.T) {
	addresses := func(texts ...string) (all []netip.Addr) {
		for _, s := range texts {
			all = append(all, netip.MustParseAddr(s))
		}
		return all
	}
	tests := []struct {
		name, table string
		port        config.Port
		want        []netip.Addr
	}{
		{"ipv4", tcp4, config.Port{Protocol: lvs.TCP, Number: 80}, addresses("127.0.0.1", "192.0.0.200")},
		{"another port", tcp4, config.Port{Protocol: lvs.TCP, Number: 81}, addresses("0.0.0.0")},
		{"ipv6", tcp6, config.Port{Protocol: lvs.TCP, Number: 80}, addresses("::", "2001:db8::1")},
		{"udp has another state", tcp4, config.Port{Protocol: lvs.UDP, Number: 80}, nil},
		{"udp", strings.ReplaceAll(tcp4, " 0A ", " 07 "), config.Port{Protocol: lvs.UDP, Number: 81}, addresses("0.0.0.0")},
		{"nothing", "", config.Port{Protocol: lvs.TCP, Number: 80}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(fmt.Sprint(tt.want), fmt.Sprint(parseSockets(tt.table, tt.port))); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseSockets(f *testing.F) {
	f.Add(tcp4, uint16(80))
	f.Add(tcp6, uint16(80))
	f.Fuzz(func(_ *testing.T, table string, port uint16) {
		parseSockets(table, config.Port{Protocol: lvs.TCP, Number: port})
		parseSockets(table, config.Port{Protocol: lvs.UDP, Number: port})
	})
}

func TestSegment(t *testing.T) {
	const v4, v6 = lvs.IPv4, lvs.IPv6
	tests := []struct {
		name         string
		tunnel       lvs.Tunnel
		inner, outer lvs.Family
		want         int
	}{
		{"ipip 4 in 4", lvs.Tunnel{}, v4, v4, 1440},
		{"ipip 6 in 6", lvs.Tunnel{}, v6, v6, 1400},
		{"ipip 4 in 6", lvs.Tunnel{}, v4, v6, 1420},
		{"ipip 6 in 4", lvs.Tunnel{}, v6, v4, 1420},
		{"gre", lvs.Tunnel{Type: lvs.GRE}, v4, v4, 1436},
		{"gre with checksum", lvs.Tunnel{Type: lvs.GRE, Checksum: lvs.WithChecksum}, v4, v4, 1432},
		{"gue", lvs.Tunnel{Type: lvs.GUE, Port: 1}, v4, v4, 1428},
		{"gue with remote checksum", lvs.Tunnel{Type: lvs.GUE, Port: 1, Checksum: lvs.RemoteChecksum}, v4, v4, 1420},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := segment(1500, tt.tunnel, tt.inner, tt.outer); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
