package cli

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/status"
)

// Each golden file why-NAME.txt of testdata/status is what a person reads of
// web/web1.
func TestWhyText(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(s *status.Status, v *status.Service, r *status.Server)
	}{
		{"well", func(s *status.Status, _ *status.Service, r *status.Server) {
			s.Daemon.Files = []string{"/etc/lvsd/director.toml"}
			r.Active = 3
		}},
		{"no-daemon", func(s *status.Status, _ *status.Service, r *status.Server) { s.Daemon, r.Health = nil, nil }},
		{"no-check", func(_ *status.Status, _ *status.Service, r *status.Server) { r.Health = nil }},
		{"down", func(s *status.Status, v *status.Service, r *status.Server) {
			fails(s, r)
			v.Quiescent, r.Weight, r.Active = true, 0, 7
		}},
		{"down-and-removed", func(s *status.Status, _ *status.Service, r *status.Server) {
			fails(s, r)
			r.Weight, r.Present = 0, false
		}},
		{"down-and-not-believed", func(s *status.Status, v *status.Service, r *status.Server) {
			fails(s, r)
			v.Ignoring = true
		}},
		{"unknown", func(_ *status.Status, _ *status.Service, r *status.Server) {
			r.Health.State, r.Health.Checks = health.Unknown, []status.Check{{Name: "check", What: "http 10.0.0.1:80"}}
			r.Weight = 0
		}},
		{"slow-start", func(_ *status.Status, _ *status.Service, r *status.Server) {
			r.Configured, r.Weight, r.Health.Weight = 9, 2, 2
		}},
		{"drained", func(s *status.Status, _ *status.Service, r *status.Server) {
			r.Override = &override.Override{Target: override.Everywhere("web1"), By: "root (alice)", Since: s.Time.Add(-2 * time.Hour), Reason: "new disk", Remove: true}
			r.Weight, r.Active = 0, 2
		}},
		{"removed", func(s *status.Status, _ *status.Service, r *status.Server) {
			at := s.Time.Add(-2 * time.Hour)
			r.Override = &override.Override{Target: override.Of("web", "web1"), By: "root", Since: at, Remove: true, Removed: at}
			r.Weight, r.Present = 0, false
		}},
		{"weight-of-one-that-is-down", func(s *status.Status, v *status.Service, r *status.Server) {
			fails(s, r)
			r.Override = &override.Override{Target: override.Of("web", "web1"), Weight: 7, By: "root", Since: s.Time}
			v.Quiescent, r.Weight = true, 0
		}},
		{"quorum-lost", func(_ *status.Status, v *status.Service, r *status.Server) {
			fallback := server("fallback", "127.0.0.1:80", 1, 1)
			fallback.Fallback = true
			v.QuorumLost, r.Weight = true, 0
			v.Servers = append(v.Servers, fallback)
		}},
		{"standby", func(s *status.Status, _ *status.Service, _ *status.Server) {
			s.VRRP = []status.VRRP{{
				Name: "front", Election: status.Election{Role: lvs.Standby, Peer: netip.MustParseAddr("10.0.1.12")},
				VIPs: []status.VIP{{Address: netip.MustParsePrefix("192.0.2.1/32")}},
			}}
		}},
		{"error", func(s *status.Status, _ *status.Service, r *status.Server) {
			s.Daemon.InStep, s.Daemon.Reload = false, "no"
			s.Daemon.Errors = []string{"add 10.0.0.1:80 to tcp 192.0.2.1:80: no such file or directory", "another", "add tcp 192.0.2.1:8080 (scheduler wrr): no such file or directory"}
			r.Present, r.Weight = false, 0
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := sample()
			web := webService()
			at := s.Time.Add(-time.Minute)
			web.Servers[0].Health = &status.Health{State: health.Up, Since: at, Weight: 1, Checks: []status.Check{
				{Name: "check", What: "http 10.0.0.1:80", State: health.Up, Since: at, Last: status.Probe{At: s.Time.Add(-2 * time.Second), Seconds: 0.001, OK: true}},
			}}
			test.change(&s, &web, &web.Servers[0])
			s.Services = []status.Service{web}
			var b strings.Builder
			if err := printWhy(&b, status.WhyOf(s, "web", "web1")); err != nil {
				t.Fatal(err)
			}
			golden(t, "why-"+test.name, b.String())
		})
	}
}

// fails has the check of a server fail.
func fails(s *status.Status, r *status.Server) {
	r.Health.State, r.Health.Error, r.Health.Weight = health.Down, "connect 10.0.0.1:80: connection refused", 0
	r.Health.Checks[0].State = health.Down
	r.Health.Checks[0].Last = status.Probe{At: s.Time.Add(-time.Second), Error: r.Health.Error}
}
