package cli

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/status"
)

func key(p lvs.Protocol, vip string) lvs.ServiceKey {
	return lvs.AddrKey(p, netip.MustParseAddrPort(vip))
}

func server(name, address string, weight, configured int32) status.Server {
	return status.Server{
		Name: name, Address: netip.MustParseAddrPort(address), Present: true, Forwarding: "dr", Weight: weight, Configured: configured,
	}
}

// Each golden file of testdata/status is what a person sees.
func TestStatusText(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(s *status.Status)
	}{
		{"idle", func(*status.Status) {}},
		{"no-daemon", func(s *status.Status) {
			s.Daemon = nil
			s.Services = []status.Service{webService()}
		}},
		{"no-configuration", func(s *status.Status) {
			s.Director, s.Daemon = "", nil
			s.Services = []status.Service{{Service: key(lvs.TCP, "192.0.2.1:80"), Present: true, Scheduler: "rr",
				Servers: []status.Server{server("", "10.0.0.1:80", 1, 0)}}}
			s.Warnings = []string{"the configuration is not valid, so services have no names here:\na.toml:1:2: one\na.toml:3:4: two"}
		}},
		{"starting", func(s *status.Status) { s.Daemon.Checked, s.Daemon.InStep = time.Time{}, false }},
		{"trouble", trouble},
		{"services", func(s *status.Status) { s.Services = services() }},
		{"health", func(s *status.Status) {
			s.Services = []status.Service{checkedService(s.Time)}
			s.Helpers = []status.Helper{{Virtual: "web", Server: "web1"}}
		}},
		{"overrides", overridden},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := sample()
			test.change(&s)
			var b strings.Builder
			if err := printStatus(&b, s); err != nil {
				t.Fatal(err)
			}
			golden(t, test.name, b.String())
		})
	}
}

// trouble is everything that may be wrong at once.
func trouble(s *status.Status) {
	s.Daemon.InStep = false
	s.Daemon.Reload = "/etc/lvsd/director.toml:3:1: one\n/etc/lvsd/director.toml:7:12: two"
	s.Daemon.Errors = []string{"add 192.0.2.1/32 on eth7: no such device", "waits to be tried again: add tcp 192.0.2.1:80 (scheduler rr)"}
	s.Daemon.Drift = status.Drift{Repaired: 2, Last: s.Time.Add(-5 * time.Minute), Op: "set 10.0.0.1:80 in tcp 192.0.2.1:80 (dr weight 1)"}
	missing := webService()
	missing.Present = false
	for i := range missing.Servers {
		missing.Servers[i].Present, missing.Servers[i].Weight = false, 0
	}
	s.Services = []status.Service{missing}
	s.SyncDaemons = []status.SyncDaemon{
		{Role: lvs.SyncMaster, Interface: "eth1", ID: 51, Wanted: true},
		{Role: lvs.SyncBackup, Interface: "eth1", ID: 51, Running: true},
		{Role: lvs.SyncBackup, Interface: "eth2", ID: 51, Wanted: true, Running: true},
	}
	s.VIPs = []status.VIP{
		{Address: netip.MustParsePrefix("192.0.2.1/32"), Interface: "eth7"},
		{Address: netip.MustParsePrefix("2001:db8::1/128"), Interface: "eth0", Present: true},
	}
	s.Warnings = []string{"virtual web: no interface carries 192.0.2.9 and [vip] does not add it, so no packet for it arrives here"}
}

// overridden is what operators may have said.
func overridden(s *status.Status) {
	at := s.Time.Add(-2 * time.Hour)
	words := []override.Override{
		{Target: override.Of("web", "web1"), By: "root (alice)", Since: at, Reason: "new disk", Remove: true},
		{Target: override.Everywhere("web2"), By: "root", Since: at, Weight: 7},
		{Target: override.Of("web", "web3"), By: "root", Since: at, Remove: true, Removed: at.Add(time.Minute)},
		{Target: override.Self, By: "bob", Since: at},
		{Target: override.Of("web", "gone"), Since: at},
	}
	web := webService()
	web.Servers = append(web.Servers, server("web3", "10.0.0.3:80", 0, 1))
	for i := range web.Servers {
		web.Servers[i].Override, web.Servers[i].Weight = &words[i], words[i].Weight
	}
	web.Servers[0].Health = &status.Health{State: health.Down, Since: at, Error: "connect 10.0.0.1:80: connection refused"}
	web.Servers[2].Present = false
	s.Services = []status.Service{web}
	for i, o := range words {
		s.Overrides = append(s.Overrides, status.Override{Override: o, Idle: i == 4})
	}
}

func webService() status.Service {
	quiesced := server("web2", "10.0.0.2:80", 0, 2)
	return status.Service{
		Virtual: "web", Service: key(lvs.TCP, "192.0.2.1:80"), Present: true, Scheduler: "wrr",
		Servers: []status.Server{server("web1", "10.0.0.1:80", 1, 1), quiesced},
	}
}

// services are rows of every kind and width.
func services() []status.Service {
	busy := webService()
	busy.Persistence, busy.Flags = 5400, []string{"ops"}
	busy.Active, busy.Inactive = 123456, 7
	busy.Rates = status.Traffic{Connections: 12345, BytesIn: 999, BytesOut: 1_250_000_000}
	busy.Servers[0].Active, busy.Servers[0].Rates = 123456, status.Traffic{Connections: 12345, BytesIn: 999_600, BytesOut: 99_400}
	fallback := server("fallback", "127.0.0.1:80", 1, 1)
	fallback.Fallback, fallback.Forwarding = true, "local"
	busy.Servers = append(busy.Servers, fallback, server("", "10.0.0.9:80", 7, 0))

	long := status.Service{
		Virtual: "a-name-that-is-as-long-as-names-of-virtual-services-may-be-63-ch", Present: true, Scheduler: "mh",
		Service: key(lvs.UDP, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"),
	}
	tunnel := server("web1", "[2001:db8:1111:2222:3333:4444:5555:7777]:65535", 65535, 65535)
	tunnel.Forwarding, tunnel.Tunnel = "tun", "gue port 6080"
	long.Servers = []status.Server{tunnel}

	mark := status.Service{Virtual: "mark", Present: true, Scheduler: "wlc", Service: lvs.MarkKey(1, lvs.IPv6), Servers: []status.Server{}}
	foreign := status.Service{Present: true, Scheduler: "rr", Service: key(lvs.TCP, "192.0.2.25:25"),
		Servers: []status.Server{server("", "10.0.0.1:25", 7, 0)}}
	return []status.Service{busy, long, mark, foreign}
}

// checkedService has a server in each state of health.
func checkedService(now time.Time) status.Service {
	at := now.Add(-90 * time.Second)
	ok := status.Probe{At: now, Seconds: 0.001234567, OK: true}
	bad := status.Probe{At: now, Seconds: 1, Error: "connect 10.0.0.2:80: connection refused"}
	s := status.Service{
		Virtual: "web", Service: key(lvs.TCP, "192.0.2.1:80"), Present: true, Scheduler: "wrr", QuorumLost: true, Ignoring: true,
	}
	for i, h := range []status.Health{
		{State: health.Up, Since: at, Checks: []status.Check{{Last: ok}}},
		{State: health.Up, Since: at, Flapping: true, Checks: []status.Check{{Last: ok}, {Last: bad}}},
		{State: health.Down, Since: at, Error: bad.Error, Checks: []status.Check{{Last: bad}}},
		{State: health.Unknown, Since: at, Checks: []status.Check{{}}},
	} {
		r := server(fmt.Sprintf("web%d", i+1), fmt.Sprintf("10.0.0.%d:80", i+1), 1, 1)
		r.Health = &h
		s.Servers = append(s.Servers, r)
	}
	gone := server("web5", "10.0.0.5:80", 0, 1)
	gone.Present, gone.Health = false, &status.Health{State: health.Down, Since: at, Error: bad.Error}
	missing := server("web6", "10.0.0.6:80", 0, 1)
	missing.Present, missing.Health = false, &status.Health{State: health.Up, Since: at}
	s.Servers = append(s.Servers, gone, missing)
	return s
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1049: "1.0 kB", 99_449: "99.4 kB", 99_500: "100 kB",
		999_499: "999 kB", 999_500: "1.0 MB", 1 << 63: "9223372 TB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
