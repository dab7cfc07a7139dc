package plan_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

var (
	web    = lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
	mail   = lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.2:25"))
	vip    = lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.1/32")}
	detour = lvs.Detour{Interface: "eth0", Protocol: lvs.TCP, From: netip.MustParseAddrPort("192.0.2.1:80"), To: netip.MustParseAddr("192.0.2.9")}
	inside = lvs.Rule{Family: lvs.IPv4, Table: "nat", Chain: "LVSD-POSTROUTING", Spec: "-s 10.0.0.0/24 -j MASQUERADE"}
	jump   = lvs.Rule{Family: lvs.IPv4, Table: "nat", Chain: "POSTROUTING", Spec: "-j LVSD-POSTROUTING"}

	virtual   = lvs.VirtualLink{Name: "lvsd.51", Base: "eth0", MAC: "00:00:5e:00:01:33"}
	onVirtual = lvs.AddressKey{Interface: virtual.Name, Prefix: vip.Prefix}
)

const syncPorts = "net.ipv4.vs.sync_ports"

func server(addr string, weight int32) lvs.Server {
	return lvs.Server{
		Key:            netip.MustParseAddrPort(addr),
		ServerSettings: lvs.ServerSettings{Forwarding: lvs.DR, Weight: weight},
	}
}

func service(key lvs.ServiceKey, scheduler string, servers ...lvs.Server) lvs.State {
	return lvs.State{Services: map[lvs.ServiceKey]lvs.Service{
		key: {Key: key, Settings: lvs.Settings{Scheduler: scheduler, Netmask: 32}, Servers: servers},
	}}
}

func TestDiff(t *testing.T) {
	tests := []struct {
		name       string
		want, have lvs.State
		owned      plan.Owned
		ops        []string
	}{
		{name: "nothing"},
		{
			name: "a new service",
			want: service(web, "wrr", server("10.0.0.2:80", 1), server("10.0.0.3:80", 0)),
			ops: []string{
				"add tcp 192.0.2.1:80 (scheduler wrr)",
				"add 10.0.0.2:80 to tcp 192.0.2.1:80 (dr weight 1)",
				"add 10.0.0.3:80 to tcp 192.0.2.1:80 (dr weight 0)",
			},
		},
		{
			name:  "a sync daemon that is not wanted ends before a server of another family comes",
			want:  service(web, "wrr", server("[2001:db8::9]:80", 1)),
			have:  lvs.State{Daemons: map[lvs.SyncRole]lvs.SyncDaemon{lvs.SyncMaster: {Role: lvs.SyncMaster, Interface: "eth1", ID: 51}}},
			owned: plan.Owned{Daemons: map[lvs.SyncRole]bool{lvs.SyncMaster: true}},
			ops: []string{
				"stop master sync daemon 51 on eth1",
				"add tcp 192.0.2.1:80 (scheduler wrr)",
				"add [2001:db8::9]:80 to tcp 192.0.2.1:80 (dr weight 1)",
			},
		},
		{
			name: "a sync daemon that runs with another number of threads starts anew",
			want: lvs.State{Daemons: map[lvs.SyncRole]lvs.SyncDaemon{lvs.SyncMaster: {Role: lvs.SyncMaster, Interface: "eth1", ID: 51}},
				Sysctls: map[string]lvs.Sysctl{syncPorts: {Key: syncPorts, Value: "4", Why: "[sync]"}}},
			have: lvs.State{Daemons: map[lvs.SyncRole]lvs.SyncDaemon{lvs.SyncMaster: {Role: lvs.SyncMaster, Interface: "eth1", ID: 51}},
				Sysctls: map[string]lvs.Sysctl{syncPorts: {Key: syncPorts, Value: "1"}}},
			ops: []string{
				"set net.ipv4.vs.sync_ports to 4 (was 1; [sync])",
				"stop master sync daemon 51 on eth1",
				"start master sync daemon 51 on eth1 to 224.0.0.81:8848",
			},
		},
		{
			name: "a detour stands before its address and goes after it",
			want: lvs.State{Detours: map[lvs.Detour]bool{detour: true}, Addresses: map[lvs.AddressKey]lvs.Address{vip: {AddressKey: vip}}},
			ops:  []string{"add detour over lo: tcp from 192.0.2.1:80 to 192.0.2.9 on eth0", "add address 192.0.2.1/32 on eth0"},
		},
		{
			name:  "and back",
			have:  lvs.State{Detours: map[lvs.Detour]bool{detour: true}, Addresses: map[lvs.AddressKey]lvs.Address{vip: {AddressKey: vip}}},
			owned: plan.Owned{Addresses: map[lvs.AddressKey]bool{vip: true}},
			ops:   []string{"delete address 192.0.2.1/32 on eth0", "delete detour over lo: tcp from 192.0.2.1:80 to 192.0.2.9 on eth0"},
		},
		{
			name: "an interface comes before its address",
			want: lvs.State{Links: map[string]lvs.VirtualLink{virtual.Name: virtual},
				Addresses: map[lvs.AddressKey]lvs.Address{onVirtual: {AddressKey: onVirtual}}},
			ops: []string{"add interface lvsd.51 with 00:00:5e:00:01:33 on eth0", "add address 192.0.2.1/32 on lvsd.51"},
		},
		{
			name: "and goes after it",
			have: lvs.State{Links: map[string]lvs.VirtualLink{virtual.Name: virtual, "theirs": {Name: "theirs"}},
				Addresses: map[lvs.AddressKey]lvs.Address{onVirtual: {AddressKey: onVirtual}}},
			owned: plan.Owned{Addresses: map[lvs.AddressKey]bool{onVirtual: true}, Links: map[string]bool{virtual.Name: true}},
			ops:   []string{"delete address 192.0.2.1/32 on lvsd.51", "delete interface lvsd.51 with 00:00:5e:00:01:33 on eth0"},
		},
		{
			name: "one that is not as it should be is replaced with its addresses",
			want: lvs.State{Links: map[string]lvs.VirtualLink{virtual.Name: virtual},
				Addresses: map[lvs.AddressKey]lvs.Address{onVirtual: {AddressKey: onVirtual}}},
			have: lvs.State{Links: map[string]lvs.VirtualLink{virtual.Name: {Name: virtual.Name, Base: "eth1", MAC: virtual.MAC}},
				Addresses: map[lvs.AddressKey]lvs.Address{onVirtual: {AddressKey: onVirtual}}},
			ops: []string{"delete interface lvsd.51 with 00:00:5e:00:01:33 on eth1", "add interface lvsd.51 with 00:00:5e:00:01:33 on eth0",
				"add address 192.0.2.1/32 on lvsd.51"},
		},
		{
			name: "the same again",
			want: service(web, "wrr", server("10.0.0.2:80", 1)),
			have: service(web, "wrr", server("10.0.0.2:80", 1)),
		},
		{
			name: "add, then raise, then quiesce, then delete",
			want: service(web, "wrr", server("10.0.0.2:80", 1), server("10.0.0.3:80", 2), server("10.0.0.4:80", 0)),
			have: service(web, "rr", server("10.0.0.1:80", 1), server("10.0.0.3:80", 1), server("10.0.0.4:80", 1)),
			ops: []string{
				"set tcp 192.0.2.1:80 (scheduler wrr)",
				"add 10.0.0.2:80 to tcp 192.0.2.1:80 (dr weight 1)",
				"set 10.0.0.3:80 in tcp 192.0.2.1:80 (dr weight 2)",
				"set 10.0.0.4:80 in tcp 192.0.2.1:80 (dr weight 0)",
				"delete 10.0.0.1:80 from tcp 192.0.2.1:80",
			},
		},
		{
			name: "a foreign service stays",
			have: service(mail, "rr", server("10.0.0.2:25", 1)),
		},
		{
			name:  "an owned service that nobody wants any more goes",
			have:  service(mail, "rr", server("10.0.0.2:25", 1)),
			owned: plan.Owned{Services: map[lvs.ServiceKey]bool{mail: true, web: true}},
			ops:   []string{"delete tcp 192.0.2.2:25"},
		},
		{
			name: "a server on the director itself is read back as local",
			want: service(web, "rr", server("127.0.0.1:80", 1)),
			have: service(web, "rr", lvs.Server{
				Key:            netip.MustParseAddrPort("127.0.0.1:80"),
				ServerSettings: lvs.ServerSettings{Forwarding: lvs.Local, Weight: 1},
			}),
		},
		{
			name: "the netmask of a service without persistence does not count",
			want: service(web, "rr", server("10.0.0.2:80", 1)),
			have: lvs.State{Services: map[lvs.ServiceKey]lvs.Service{web: {
				Key: web, Settings: lvs.Settings{Scheduler: "rr", Netmask: 24},
				Servers: []lvs.Server{server("10.0.0.2:80", 1)},
			}}},
		},
		{
			name: "an address comes after its service",
			want: lvs.State{
				Services:  service(web, "rr", server("10.0.0.2:80", 1)).Services,
				Addresses: map[lvs.AddressKey]lvs.Address{vip: {AddressKey: vip}},
			},
			ops: []string{
				"add tcp 192.0.2.1:80 (scheduler rr)",
				"add 10.0.0.2:80 to tcp 192.0.2.1:80 (dr weight 1)",
				"add address 192.0.2.1/32 on eth0",
			},
		},
		{
			name: "an address goes before its service",
			have: lvs.State{
				Services:  service(web, "rr", server("10.0.0.2:80", 1)).Services,
				Addresses: map[lvs.AddressKey]lvs.Address{vip: {AddressKey: vip}},
			},
			owned: plan.Owned{
				Services:  map[lvs.ServiceKey]bool{web: true},
				Addresses: map[lvs.AddressKey]bool{vip: true},
			},
			ops: []string{"delete address 192.0.2.1/32 on eth0", "delete tcp 192.0.2.1:80"},
		},
		{
			name: "a foreign address stays",
			have: lvs.State{Addresses: map[lvs.AddressKey]lvs.Address{vip: {AddressKey: vip}}},
		},
		{
			name: "a jump comes after its chain's rules",
			want: lvs.State{Rules: map[lvs.Rule]int{inside: 1, jump: 1}},
			ops:  []string{"add rule: " + inside.String(), "add rule: " + jump.String()},
		},
		{
			name: "a jump goes first and a doubled rule once",
			have: lvs.State{Rules: map[lvs.Rule]int{inside: 2, jump: 1}},
			want: lvs.State{Rules: map[lvs.Rule]int{inside: 1}},
			ops:  []string{"delete rule: " + jump.String(), "delete rule: " + inside.String()},
		},
		{
			name: "time-outs that are not asked for stay",
			want: lvs.State{Timeouts: lvs.Timeouts{TCP: time.Minute}},
			have: lvs.State{Timeouts: lvs.Timeouts{TCP: 15 * time.Minute, UDP: 5 * time.Minute}},
			ops:  []string{"set IPVS time-outs: tcp 1m"},
		},
		{
			name: "modules that are missing",
			want: lvs.State{Modules: []string{"ip_vs", "ip_vs_ftp"}},
			have: lvs.State{Modules: []string{"ip_vs"}},
			ops:  []string{"load kernel module ip_vs_ftp"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.ops, texts(plan.Diff(tt.want, tt.have, tt.owned))); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSysctls(t *testing.T) {
	const all, eth0 = "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0.rp_filter"
	loose := lvs.Sysctl{Key: eth0, Value: "2", Accept: "0", Over: all, Why: "test"}
	tests := []struct {
		name      string
		all, eth0 string
		ops       []string
	}{
		{"strict on the interface", "0", "1", []string{"set net.ipv4.conf.eth0.rp_filter to 2 (was 1; test)"}},
		{"strict on all", "1", "0", []string{"set net.ipv4.conf.eth0.rp_filter to 2 (was 0; test)"}},
		{"off", "0", "0", nil},
		{"loose on all", "2", "1", nil},
		{"loose on the interface", "1", "2", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := lvs.State{Sysctls: map[string]lvs.Sysctl{eth0: loose}}
			have := lvs.State{Sysctls: map[string]lvs.Sysctl{all: {Value: tt.all}, eth0: {Value: tt.eth0}}}
			if diff := cmp.Diff(tt.ops, texts(plan.Diff(want, have, plan.Owned{}))); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
		})
	}
}

func texts(ops []plan.Op) []string {
	var s []string
	for _, op := range ops {
		s = append(s, op.String())
	}
	return s
}
