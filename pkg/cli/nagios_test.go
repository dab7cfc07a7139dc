package cli

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/status"
)

// The examples of the guidelines, and what is no range.
func TestThreshold(t *testing.T) {
	for _, test := range []struct {
		text   string
		alerts []float64
		quiet  []float64
	}{
		{"10", []float64{-0.1, 10.1}, []float64{0, 10}},
		{"10:", []float64{9.9, -1}, []float64{10, 1e300}},
		{"~:10", []float64{10.1}, []float64{-1e300, 10}},
		{"10:20", []float64{9.9, 20.1}, []float64{10, 20}},
		{"@10:20", []float64{10, 15, 20}, []float64{9.9, 20.1}},
		{"@10", []float64{0, 10}, []float64{-1, 11}},
		{"-5:-1.5", []float64{-6, 0}, []float64{-5, -1.5}},
		{"@~:", []float64{0, -1e300}, nil},
	} {
		var r threshold
		if err := r.Set(test.text); err != nil {
			t.Errorf("%s: %v", test.text, err)
		}
		if r.String() != test.text {
			t.Errorf("%s is written as %s", test.text, r)
		}
		for _, v := range test.alerts {
			if !r.alerts(v) {
				t.Errorf("%s does not alert at %g", test.text, v)
			}
		}
		for _, v := range test.quiet {
			if r.alerts(v) {
				t.Errorf("%s alerts at %g", test.text, v)
			}
		}
	}
	for _, text := range []string{"", "@", "ten", "20:10", "1:2:3", "10%", "inf", "nan:", "~", "10:~", "0x"} {
		if err := new(threshold).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzThreshold(f *testing.F) {
	for _, text := range []string{"10", "10:", "~:10", "@10:20", "@", ":", "-1:1"} {
		f.Add(text, 5.0)
	}
	f.Fuzz(func(t *testing.T, text string, value float64) {
		var r, turned threshold
		if r.Set(text) != nil || text[0] == '@' || math.IsNaN(value) {
			return
		}
		if err := turned.Set("@" + text); err != nil || r.alerts(value) == turned.alerts(value) {
			t.Errorf("%q and its opposite agree about %g (%v)", text, value, err)
		}
	})
}

// pluginStatus is a director whose three servers serve.
func pluginStatus() status.Status {
	s := sample()
	web := status.Service{
		Virtual: "web", Service: lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80")), Present: true, Active: 4, Inactive: 2,
	}
	for _, name := range []string{"web1", "web2", "web3"} {
		web.Servers = append(web.Servers, status.Server{Name: name, Present: true, Weight: 1, Configured: 1, Health: &status.Health{State: health.Up}})
	}
	web.Servers = append(web.Servers, status.Server{Name: "fallback", Fallback: true}, status.Server{Present: true})
	s.Services = []status.Service{web, {Service: lvs.MarkKey(7, lvs.IPv4), Present: true}}
	s.VRRP = []status.VRRP{{
		Name: "front", Election: status.Election{Role: lvs.Active, State: "active", Since: s.Time.Add(-100 * time.Second)},
		VIPs: []status.VIP{{Address: netip.MustParsePrefix("192.0.2.1/32"), Interface: "eth0", Present: true}},
	}}
	s.Sync = &status.Sync{Interface: "eth1", Daemons: []lvs.SyncRole{lvs.SyncMaster}, Here: status.Connections{Connections: 6},
		Known: status.Known{Roles: []lvs.SyncRole{lvs.SyncMaster}}}
	return s
}

func down(r *status.Server) {
	r.Weight = 0
	r.Health = &status.Health{State: health.Down, Error: "connect 10.0.0.2:80: connection refused | by peer\nand more"}
}

func TestNagios(t *testing.T) {
	const (
		webData    = "'web'=100%;100:;1:;0;100 'web connections'=6;;;0"
		web66Data  = "'web'=66%;100:;1:;0;100 'web connections'=6;;;0"
		frontData  = "'front since'=100s;;;0"
		syncData   = "'connections'=6;;;0"
		reloadData = "'problems'=0;0;;0 'age'=60s;;;0"
		refused    = "connect 10.0.0.2:80: connection refused / by peer; and more"
	)
	for _, test := range []struct {
		name   string
		args   []string
		flags  [2]string // -w, -c
		expect string
		change func(*status.Status)
		code   int
		want   string
	}{
		{name: "all is well", want: "LVSD OK - all is well with 1 service and 3 servers; front: active; 6 connections; master on eth1; configuration loaded | " +
			webData + " " + frontData + " " + syncData + " " + reloadData},
		{name: "all, with two troubles", code: 2, change: func(s *status.Status) {
			down(&s.Services[0].Servers[1])
			s.VRRP[0].Role, s.VRRP[0].Fault, s.VRRP[0].VIPs = lvs.Faulty, "no carrier", nil
		}, want: "LVSD CRITICAL - front: fault: no carrier; web: 2 of 3 servers serving: web2 down (" + refused + ") | " +
			web66Data + " " + frontData + " " + syncData + " " + reloadData},
		{name: "a server is down", args: []string{"service"}, code: 1, change: func(s *status.Status) { down(&s.Services[0].Servers[1]) },
			want: "LVSD SERVICE WARNING - web: 2 of 3 servers serving: web2 down (" + refused + ") | " + web66Data},
		{name: "a server is down, and may be", args: []string{"service", "web"}, flags: [2]string{"60:", "30:"},
			change: func(s *status.Status) { s.Services[0].Servers[1].Weight = 0 },
			want:   "LVSD SERVICE OK - all is well with 1 service and 3 servers | 'web'=66%;60:;30:;0;100 'web connections'=6;;;0"},
		{name: "too many are down", args: []string{"service", "web"}, flags: [2]string{"100:", "70:"}, code: 2,
			change: func(s *status.Status) { s.Services[0].Servers[2].Present = false },
			want:   "LVSD SERVICE CRITICAL - web: 2 of 3 servers serving: web3 not in the kernel | 'web'=66%;100:;70:;0;100 'web connections'=6;;;0"},
		{name: "none serves", args: []string{"service"}, code: 2, change: func(s *status.Status) {
			for i := range s.Services[0].Servers[:3] {
				s.Services[0].Servers[i].Weight = 0
			}
			s.Services[0].Servers[0].Health.State = health.Unknown
		}, want: "LVSD SERVICE CRITICAL - web: 0 of 3 servers serving: web1 not checked yet, web2 weight 0, web3 weight 0 | 'web'=0%;100:;1:;0;100 'web connections'=6;;;0"},
		{name: "one is drained", args: []string{"service"}, code: 1, change: func(s *status.Status) {
			s.Services[0].Servers[1].Weight = 0
			s.Services[0].Servers[1].Override = &override.Override{Target: override.Of("web", "web2"), By: "anna"}
		}, want: "LVSD SERVICE WARNING - web: 2 of 3 servers serving: web2 drained by anna | " + web66Data},
		{name: "quorum lost", args: []string{"service"}, code: 2, change: func(s *status.Status) {
			s.Services[0].QuorumLost = true
			s.Services[0].Servers[0].Weight = 0
		}, want: "LVSD SERVICE CRITICAL - web: quorum lost, 2 of 3 servers serving: web1 weight 0 | " + web66Data},
		{name: "a service is missing", args: []string{"service"}, code: 2, change: func(s *status.Status) { s.Services[0].Present = false },
			want: "LVSD SERVICE CRITICAL - web: the kernel does not have it | " + webData},
		{name: "two VIPs", args: []string{"service"}, change: func(s *status.Status) {
			again := s.Services[0]
			again.Service = lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("[2001:db8::1]:80"))
			s.Services = append(s.Services, again)
		}, want: "LVSD SERVICE OK - all is well with 1 service and 6 servers | 'web tcp 192.0.2.1:80'=100%;100:;1:;0;100 'web tcp 192.0.2.1:80 connections'=6;;;0 " +
			"'web tcp [2001:db8::1]:80'=100%;100:;1:;0;100 'web tcp [2001:db8::1]:80 connections'=6;;;0"},
		{name: "no such service", args: []string{"service", "mail"}, code: 3, want: "LVSD SERVICE UNKNOWN - the director has no service mail"},
		{name: "no service", args: []string{"service"}, code: 3, change: func(s *status.Status) { s.Services = nil },
			want: "LVSD SERVICE UNKNOWN - the director has no services"},
		{name: "role", args: []string{"role"}, flags: [2]string{"60:", ""}, want: "LVSD ROLE OK - front: active | 'front since'=100s;60:;;0"},
		{name: "a new role", args: []string{"role"}, flags: [2]string{"300:", "30:"}, code: 1, want: "LVSD ROLE WARNING - front: active | 'front since'=100s;300:;30:;0"},
		{name: "another role", args: []string{"role"}, expect: "standby", code: 1, want: "LVSD ROLE WARNING - front: active, but should be standby | " + frontData},
		{name: "VIP missing", args: []string{"role"}, code: 2, change: func(s *status.Status) { s.VRRP[0].VIPs[0].Present = false },
			want: "LVSD ROLE CRITICAL - front: vip 192.0.2.1/32 on eth0 is MISSING | " + frontData},
		{name: "VIP on a standby", args: []string{"role"}, code: 2, change: func(s *status.Status) { s.VRRP[0].Role = lvs.Standby },
			want: "LVSD ROLE CRITICAL - front: vip 192.0.2.1/32 on eth0 is PRESENT, but not active | " + frontData},
		{name: "undecided", args: []string{"role"}, code: 1, change: func(s *status.Status) { s.VRRP[0].Role = lvs.Undecided },
			want: "LVSD ROLE WARNING - front: undecided | " + frontData},
		{name: "no VRRP", args: []string{"role"}, code: 3, change: func(s *status.Status) { s.VRRP = nil }, want: "LVSD ROLE UNKNOWN - the configuration has no VRRP instance"},
		{name: "sync", args: []string{"sync"}, flags: [2]string{"1:", ""}, want: "LVSD SYNC OK - 6 connections; master on eth1 | 'connections'=6;1:;;0"},
		{name: "sync does not run", args: []string{"sync"}, code: 2, change: func(s *status.Status) { s.Sync.Daemons = nil },
			want: "LVSD SYNC CRITICAL - the master on eth1 does not run | " + syncData},
		{name: "sync should not run", args: []string{"sync"}, code: 1, change: func(s *status.Status) { s.Sync.Roles = nil },
			want: "LVSD SYNC WARNING - a master on eth1 runs that should not | " + syncData},
		{name: "the other one is behind", args: []string{"sync"}, code: 1,
			change: func(s *status.Status) {
				s.Sync.Peers = []status.Peer{{Address: netip.MustParseAddr("10.0.9.2"), Behind: true}}
			},
			want: "LVSD SYNC WARNING - director 10.0.9.2 holds 0 connections only | " + syncData},
		{name: "no sync", args: []string{"sync"}, code: 3, change: func(s *status.Status) { s.Sync = nil }, want: "LVSD SYNC UNKNOWN - the configuration has no [sync]"},
		{name: "refused", args: []string{"reload"}, code: 1, change: func(s *status.Status) { s.Daemon.Reload = "a.toml:1:1: one\na.toml:2:1: two" },
			want: "LVSD RELOAD WARNING - last reload refused: a.toml:1:1: one; a.toml:2:1: two | 'problems'=2;0;;0 'age'=60s;;;0"},
		{name: "refused is critical", args: []string{"reload"}, flags: [2]string{"", "0"}, code: 2, change: func(s *status.Status) { s.Daemon.Reload = "a.toml:1:1: one" },
			want: "LVSD RELOAD CRITICAL - last reload refused: a.toml:1:1: one | 'problems'=1;;0;0 'age'=60s;;;0"},
		{name: "not in step", args: []string{"reload"}, code: 2, change: func(s *status.Status) { s.Daemon.InStep, s.Daemon.Errors = false, []string{"add x: y"} },
			want: "LVSD RELOAD CRITICAL - the kernel is not as configured: add x: y | " + reloadData},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := pluginStatus()
			if test.change != nil {
				test.change(&s)
			}
			n := plugin{role: test.expect}
			for i, r := range []*threshold{&n.warning, &n.critical} {
				if err := r.Set(test.flags[i]); test.flags[i] != "" && err != nil {
					t.Fatal(err)
				}
			}
			if err := n.about(test.args); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err := n.print(&paths{env: Env{Out: &out}}, n.look(s))
			var code exit
			errors.As(err, &code)
			if int(code) != test.code || out.String() != test.want+"\n" {
				t.Errorf("got %d, %swant %d, %s", int(code), out.String(), test.code, test.want)
			}
		})
	}
}
