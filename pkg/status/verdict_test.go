package status

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
)

func TestJudge(t *testing.T) {
	up := func() Server { return Server{Name: "up", Weight: 1, Configured: 1, Present: true} }
	down := func() Server {
		return Server{Name: "down", Configured: 1, Present: true, Health: &Health{State: health.Down}}
	}
	drained := func() Server {
		return Server{Name: "drained", Configured: 1, Present: true, Override: &override.Override{}}
	}
	fallback := func() Server { return Server{Name: "fallback", Weight: 1, Fallback: true, Present: true} }
	with := func(servers ...Server) func(*Status) {
		return func(s *Status) { s.Services[0].Servers = servers }
	}
	const web = "web (tcp 192.0.2.1:80)"
	for _, test := range []struct {
		name   string
		change func(*Status)
		level  string
		want   []string
		text   string
	}{
		{"all is well", func(*Status) {}, Well, []string{}, "1 of 1 real servers serve"},
		{"one is down", with(up(), down()), Degraded, []string{"web/down is down"}, "1 of 2 real servers serve"},
		{"two are down", with(up(), down(), down()), Degraded, []string{"web/down, web/down are down"}, "1 of 3 real servers serve"},
		{"many are down", with(up(), down(), down(), down(), down(), down(), down(), down()), Degraded,
			[]string{"web/down, web/down, web/down, web/down, web/down and 2 more are down"}, "1 of 8 real servers serve"},
		{"one is drained", with(up(), drained()), Well, []string{}, "1 of 2 real servers serve, 1 drained"},
		{"all are drained", with(drained(), fallback()), Degraded,
			[]string{"all real servers of " + web + " are drained, the fallback serves"}, "0 of 1 real servers serve, 1 drained"},
		{"all are drained, and nobody serves", with(drained()), Bad, []string{"no real server of " + web + " serves"}, "0 of 1 real servers serve, 1 drained"},
		{"all are down", with(down()), Bad, []string{"no real server of " + web + " serves"}, "0 of 1 real servers serve"},
		{"the fallback serves", with(down(), fallback()), Bad, []string{"only the fallback of " + web + " serves"}, "0 of 1 real servers serve"},
		{"a service of nothing but a fallback", with(fallback()), Well, []string{}, "no real servers"},
		{"somebody else's server", with(up(), Server{Weight: 1, Present: true}), Well, []string{}, "1 of 1 real servers serve"},
		{"quorum", func(s *Status) { s.Services[0].QuorumLost = true }, Bad, []string{web + " has lost its quorum"}, "1 of 1 real servers serve"},
		{"missing", func(s *Status) { s.Services[0].Present = false }, Bad, []string{"the kernel does not have the service " + web}, "1 of 1 real servers serve"},
		{"failures are not believed", func(s *Status) { s.Services[0].Ignoring = true }, Degraded,
			[]string{"so few servers of " + web + " are up that failures are not believed"}, "1 of 1 real servers serve"},
		{"somebody else's service", func(s *Status) { s.Services = append(s.Services, Service{Present: true}) }, Well, []string{}, "1 of 1 real servers serve"},
		{"no daemon", func(s *Status) { s.Daemon = nil }, Bad, []string{"no daemon runs"}, "1 of 1 real servers serve"},
		{"just started", func(s *Status) { s.Daemon.Checked = time.Time{} }, Degraded,
			[]string{"the kernel was not compared with the configuration yet"}, "1 of 1 real servers serve"},
		{"the worst first", func(s *Status) { s.Daemon.InStep, s.Daemon.Reload, s.Warnings = false, "no", []string{"one\ntwo"} }, Bad,
			[]string{"the kernel is not as configured", "the last reload was refused", "one"}, "1 of 1 real servers serve"},
		{"a VIP is missing", func(s *Status) { s.VIPs = []VIP{{Address: netip.MustParsePrefix("192.0.2.1/32"), Interface: "eth0"}} }, Bad,
			[]string{"the VIP 192.0.2.1/32 is missing on eth0"}, "1 of 1 real servers serve"},
		{"a sync daemon is missing", func(s *Status) { s.SyncDaemons = []SyncDaemon{{Role: lvs.SyncMaster, Interface: "eth1", Wanted: true}} }, Degraded,
			[]string{"the sync daemon (master on eth1) does not run"}, "1 of 1 real servers serve"},
		{"somebody else's sync daemon", func(s *Status) { s.SyncDaemons = []SyncDaemon{{Role: lvs.SyncMaster, Running: true}} }, Well, []string{}, "1 of 1 real servers serve"},
		{"peers that share connections", func(s *Status) {
			s.Sync = &Sync{Known: Known{Waiting: true, Peers: []Peer{
				{Address: netip.MustParseAddr("10.0.1.12")},
				{Address: netip.MustParseAddr("10.0.1.13"), Error: "no"},
				{Address: netip.MustParseAddr("10.0.1.14"), Behind: true, Apart: 7},
			}}}
		}, Degraded, []string{
			"the director 10.0.1.13 does not answer about its connections",
			"the director 10.0.1.14 has 7 connections less than this one",
			"this director waits for the connections that were before it listened",
		}, "1 of 1 real servers serve"},
		{"active", instance(lvs.Active, true, ""), Well, []string{}, "active, 1 of 1 real servers serve"},
		{"active without its VIP", instance(lvs.Active, false, ""), Bad, []string{"the VIP 192.0.2.1/32 is missing on eth0"}, "active, 1 of 1 real servers serve"},
		{"standby", instance(lvs.Standby, false, ""), Well, []string{}, "standby, 1 of 1 real servers serve"},
		{"faulty", instance(lvs.Faulty, false, "eth0 is down"), Bad, []string{"vrrp front is faulty: eth0 is down"}, "fault, 1 of 1 real servers serve"},
		{"another host has a VIP", func(s *Status) {
			instance(lvs.Active, true, "")(s)
			s.VRRP[0].ClaimedBy = "02:00:00:00:00:01"
		}, Bad, []string{"the host 02:00:00:00:00:01 claims VIPs of vrrp front too"}, "active, 1 of 1 real servers serve"},
		{"active in some", func(s *Status) {
			instance(lvs.Active, true, "")(s)
			s.VRRP = append(s.VRRP, VRRP{Name: "back", Election: Election{Role: lvs.Standby}})
		}, Well, []string{}, "active in 1 of 2 instances, 1 of 1 real servers serve"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Status{
				Daemon:   &Daemon{Checked: time.Unix(1, 0), InStep: true},
				Services: []Service{{Virtual: "web", Service: web4, Present: true, Servers: []Server{up()}}},
			}
			test.change(&s)
			if diff := cmp.Diff(Verdict{Level: test.level, Reasons: test.want, Summary: test.text}, Judge(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func instance(role lvs.Role, present bool, fault string) func(*Status) {
	return func(s *Status) {
		s.VRRP = []VRRP{{
			Name: "front", Election: Election{Role: role, Fault: fault},
			VIPs: []VIP{{Address: netip.MustParsePrefix("192.0.2.1/32"), Interface: "eth0", Present: present}},
		}}
	}
}
