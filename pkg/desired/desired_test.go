package desired_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func tcp(vip string) lvs.ServiceKey {
	return lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort(vip))
}

func backend(addr string, f lvs.Forwarding, weight int32) config.Real {
	return config.Real{Name: "r", Address: netip.MustParseAddr(addr), Forwarding: f, Weight: weight}
}

func virtual(key lvs.ServiceKey, reals ...config.Real) config.Virtual {
	return config.Virtual{
		Name:      "web",
		Keys:      []lvs.ServiceKey{key},
		Settings:  lvs.Settings{Scheduler: "wrr"},
		Quiescent: true,
		Real:      reals,
	}
}

func host(addresses ...string) desired.Host {
	h := desired.Host{Addresses: map[lvs.AddressKey]lvs.Address{}}
	for i, a := range addresses {
		key := lvs.AddressKey{Interface: fmt.Sprintf("eth%d", i), Prefix: netip.MustParsePrefix(a)}
		h.Addresses[key] = lvs.Address{AddressKey: key}
	}
	return h
}

func TestServices(t *testing.T) {
	twice := virtual(tcp("192.0.2.1:80"), backend("10.0.0.2", lvs.DR, 1))
	twice.Keys = append(twice.Keys, tcp("192.0.2.1:443"))
	spare := virtual(tcp("192.0.2.1:80"), backend("10.0.0.2", lvs.DR, 0))
	spare.Fallback = []config.Real{backend("127.0.0.1", lvs.DR, 1)}
	serving := spare
	serving.Real = []config.Real{backend("10.0.0.2", lvs.DR, 1)}
	mapped := virtual(tcp("192.0.2.1:80"), config.Real{
		Address: netip.MustParseAddr("10.0.0.2"), Port: 8080, Forwarding: lvs.NAT, Weight: 3, Upper: 9, Lower: 4,
	})
	tests := []struct {
		name    string
		virtual config.Virtual
		want    []string
	}{
		{"a server takes the port of each VIP", twice, []string{
			"tcp 192.0.2.1:80: 10.0.0.2:80 dr weight 1",
			"tcp 192.0.2.1:443: 10.0.0.2:443 dr weight 1",
		}},
		{"the fallback serves when every weight is 0", spare, []string{
			"tcp 192.0.2.1:80: 10.0.0.2:80 dr weight 0, 127.0.0.1:80 dr weight 1",
		}},
		{"and only then", serving, []string{"tcp 192.0.2.1:80: 10.0.0.2:80 dr weight 1"}},
		{"a port of its own, and thresholds", mapped, []string{
			"tcp 192.0.2.1:80: 10.0.0.2:8080 nat weight 3 thresholds 4..9",
		}},
		{"a mark", virtual(lvs.MarkKey(7, lvs.IPv6), backend("2001:db8::2", lvs.DR, 1)), []string{
			"fwmark 7 ipv6: [2001:db8::2]:0 dr weight 1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := desired.Build(&config.Config{Virtual: []config.Virtual{tt.virtual}}, desired.Input{})
			if diff := cmp.Diff(tt.want, render(state.Services)); diff != "" {
				t.Errorf("services (-want +got):\n%s", diff)
			}
		})
	}
}

func render(services map[lvs.ServiceKey]lvs.Service) []string {
	var lines []string
	for _, key := range slices.SortedFunc(maps.Keys(services), lvs.ServiceKey.Compare) {
		line := key.String() + ":"
		for i, s := range services[key].Servers {
			if i > 0 {
				line += ","
			}
			line += fmt.Sprintf(" %s %s", s.Key, s.ServerSettings)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestNetmask(t *testing.T) {
	six := virtual(tcp("[2001:db8::1]:80"), backend("2001:db8::2", lvs.DR, 1))
	masked := virtual(tcp("192.0.2.1:80"), backend("10.0.0.2", lvs.DR, 1))
	masked.Netmask = 24
	state := desired.Build(&config.Config{Virtual: []config.Virtual{six, masked}}, desired.Input{})
	for _, tt := range []struct {
		key  lvs.ServiceKey
		want uint8
	}{{six.Keys[0], 128}, {masked.Keys[0], 24}} {
		if got := state.Services[tt.key].Netmask; got != tt.want {
			t.Errorf("%s: netmask %d, want %d", tt.key, got, tt.want)
		}
	}
}

func TestSysctls(t *testing.T) {
	const reuse = "net.ipv4.vs.conn_reuse_mode=3"
	nat := virtual(tcp("192.0.2.1:80"), backend("10.0.0.2", lvs.NAT, 1))
	oneArm := nat
	oneArm.SNAT = true
	sticky := virtual(tcp("192.0.2.1:80"), backend("10.0.0.2", lvs.DR, 1))
	sticky.Persistence = time.Minute
	removing := virtual(tcp("192.0.2.1:80"), backend("10.0.0.2", lvs.DR, 1))
	removing.Quiescent = false
	datagrams := virtual(lvs.AddrKey(lvs.UDP, netip.MustParseAddrPort("192.0.2.1:53")), backend("10.0.0.2", lvs.DR, 1))
	tests := []struct {
		name   string
		config config.Config
		host   desired.Host
		want   []string
	}{
		{
			"direct routing lets clients use a port again", config.Config{
				Virtual: []config.Virtual{virtual(tcp("192.0.2.1:80"), backend("10.0.0.2", lvs.DR, 1))},
			}, desired.Host{}, []string{reuse},
		},
		{
			"a VIP of direct routing is not filtered strictly", config.Config{
				Virtual: []config.Virtual{virtual(tcp("192.0.2.1:80"), backend("10.0.0.2", lvs.DR, 1))},
			}, host("10.0.0.1/24", "192.0.2.1/32"), []string{"net.ipv4.conf.eth1.rp_filter=2", reuse},
		},
		{
			"nat", config.Config{Virtual: []config.Virtual{nat}}, host("10.0.0.1/24", "192.0.2.9/24"), []string{
				"net.ipv4.conf.all.send_redirects=0",
				"net.ipv4.conf.eth0.send_redirects=0",
				"net.ipv4.ip_forward=1",
			},
		},
		{"one-arm nat", config.Config{Virtual: []config.Virtual{oneArm}}, desired.Host{}, []string{
			"net.ipv4.ip_forward=1", "net.ipv4.vs.conntrack=1",
		}},
		{"nat for IPv6", config.Config{Virtual: []config.Virtual{
			virtual(tcp("[2001:db8::1]:80"), backend("2001:db8::2", lvs.NAT, 1)),
		}}, desired.Host{}, []string{"net.ipv6.conf.all.forwarding=1"}},
		{"masquerade", config.Config{
			Masquerade: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
		}, desired.Host{}, []string{"net.ipv4.ip_forward=1"}},
		{"quiescent and persistent", config.Config{Virtual: []config.Virtual{sticky}}, desired.Host{},
			[]string{reuse, "net.ipv4.vs.expire_quiescent_template=1"}},
		{"removing", config.Config{Virtual: []config.Virtual{removing}}, desired.Host{},
			[]string{reuse, "net.ipv4.vs.expire_nodest_conn=1"}},
		{"udp", config.Config{Virtual: []config.Virtual{datagrams}}, desired.Host{},
			[]string{"net.ipv4.vs.expire_nodest_conn=1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			state := desired.Build(&tt.config, desired.Input{Host: tt.host})
			for _, key := range slices.Sorted(maps.Keys(state.Sysctls)) {
				got = append(got, key+"="+state.Sysctls[key].Value)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRulesAndModules(t *testing.T) {
	ftp := virtual(tcp("192.0.2.1:21"), backend("10.0.0.2", lvs.NAT, 1))
	ftp.SNAT = true
	state := desired.Build(&config.Config{
		Virtual:    []config.Virtual{ftp},
		Masquerade: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
	}, desired.Input{})
	if diff := cmp.Diff([]string{"ip_vs", "ip_vs_ftp"}, state.Modules); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
	if len(state.Rules) != 3 { // two rules and the one jump that they share
		t.Errorf("rules: got %v, want 3", state.Rules)
	}
}
