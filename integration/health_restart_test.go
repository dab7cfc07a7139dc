package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// Restarts and reloads with half of the servers dead are invisible: no client
// meets a dead server, and no live one loses its weight for an instant.
func TestRestartsWithDeadServers(t *testing.T) {
	for _, quiescent := range []bool{true, false} {
		t.Run(fmt.Sprintf("quiescent=%t", quiescent), func(t *testing.T) {
			l := labtest.New(t, lab.Topology{RealServers: 4})
			var sites []*site
			for _, rs := range realServers(l) {
				labtest.NoError(t, rs.TakeVIP(lab.VIP4))
				sites = append(sites, newSite(t, rs))
			}
			sites[2].broken.Store(true) // they would serve whoever asks, and count it
			sites[3].broken.Store(true)
			config := func(check string) string {
				return vipTable(lab.VIP4) + web(lab.VIP4, fmt.Sprintf("forwarding = \"dr\"\nquiescent = %t\nfallback = \"127.0.0.1\"", quiescent),
					`type = "http", path = "/ldirector.html", expect_body = "Test Page"`+check, realServers(l), true)
			}
			d := start(t, l.Host("lb1"), config(""))
			d.become(map[string]string{"rs1": "up 1", "rs2": "up 1", "rs3": "down 0", "rs4": "down 0"})
			table := watch(t, l.Host("lb1"))
			eventually(t, "the table is read", func() bool { return len(table.sights()) > 0 })
			clients(t, l, func(more func(int)) {
				for i := range restarts {
					more(5)
					if i%2 == 0 {
						d.stop()
					} else {
						d.cmd.Kill()
					}
					d.start()
					// Half of the times the new one has heard of every server.
					if i%4 < 2 {
						d.become(map[string]string{"rs1": "up 1", "rs2": "up 1", "rs3": "down 0", "rs4": "down 0"})
					}
				}
				// The same file, the same checks at other times, and other checks.
				changes := []string{"", "", ", rise = 3", `, host = "other"`}
				for i := range reloads {
					more(2)
					d.write(config(changes[i%len(changes)]))
					if done := d.reload(); len(done.Errors) > 0 {
						t.Errorf("reload %d: %q", i, done.Errors)
					}
				}
			})
			table.end()
			for _, s := range table.sights() {
				if s.weight(l.Host("rs1").V4.String()) != 1 || s.weight(l.Host("rs2").V4.String()) != 1 {
					t.Errorf("a live server lost its weight: %s", s.text())
				}
				if s.weight(l.Host("rs3").V4.String()) > 0 || s.weight(l.Host("rs4").V4.String()) > 0 || s.weight("127.0.0.1") >= 0 {
					t.Errorf("a dead server or the fallback got weight: %s", s.text())
				}
			}
			for _, s := range sites[2:] {
				if n := s.clients.Load(); n > 0 {
					t.Errorf("%d requests reached %s, which is dead", n, s.host.Name)
				}
			}
		})
	}
}

// A server climbs to its weight step by step, and a restart does not begin anew.
func TestSlowStartOfAServer(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	lb, rs := l.Host("lb1"), l.Host("rs1")
	page := newSite(t, rs)
	page.broken.Store(true)
	d := start(t, lb, vipTable(lab.VIP4)+fmt.Sprintf(
		"[virtual.web]\nvip = \"%s:80\"\nforwarding = \"dr\"\nscheduler = \"wrr\"\nslow_start = \"3s\"\n"+
			"check = { type = \"http\", path = \"/ldirector.html\", rise = 1, %s }\nreal.rs1 = { address = \"%s\", weight = 6 }\n",
		lab.VIP4, quick, rs.V4))
	d.become(map[string]string{"rs1": "down 0"})
	table := watch(t, lb)
	page.broken.Store(false)
	eventually(t, "it has begun to climb", func() bool { return table.now().weight(rs.V4.String()) >= 2 })
	d.stop()
	d.start()
	eventually(t, "it has its weight", func() bool { return table.now().weight(rs.V4.String()) == 6 })
	var weights []int32
	for _, s := range table.sights() {
		weights = append(weights, s.weight(rs.V4.String()))
	}
	for i := range weights[1:] {
		if weights[i+1] < weights[i] {
			t.Errorf("weights %v: it fell", weights)
		}
	}
	if len(weights) < 4 {
		t.Errorf("weights %v: no steps", weights)
	}
}

// What a person sees of a failing server.
func TestStatusTellsWhy(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	lb, rs := l.Host("lb1"), l.Host("rs1")
	newSite(t, rs)
	d := start(t, lb, vipTable(lab.VIP4)+fmt.Sprintf(
		"[virtual.web]\nvip = \"%s:80\"\nforwarding = \"dr\"\nchecks.page = { type = \"http\", path = \"/ldirector.html\", expect_body = \"Other\", %s }\n"+
			"checks.alive = { type = \"icmp\", %s }\nreal.rs1 = \"%s\"\nreal.off = { address = \"%s\", check = \"off\" }\n",
		lab.VIP4, quick, quick, rs.V4, l.Host("rs2").V4))
	d.become(map[string]string{"off": "down 0", "rs1": "down 0"})
	text := labtest.Must(d.command("status").Output())(t)
	for _, want := range []string{"0 (of 1)", "DOWN for ", `expected a match of "Other"`, "taken out of service by the configuration"} {
		if !strings.Contains(text, want) {
			t.Errorf("status lacks %q:\n%s", want, text)
		}
	}
	time.Sleep(300 * time.Millisecond) // for some more probes
	text = labtest.Must(d.command("status", "web/rs1").Output())(t)
	for _, want := range []string{"check alive", "check page", "every 200ms/100ms", "down since", "up since", "ok"} {
		if !strings.Contains(text, want) {
			t.Errorf("status web/rs1 lacks %q:\n%s", want, text)
		}
	}
	list := labtest.Must(d.client().Probes(t.Context(), "web", "rs1"))(t)
	if len(list) != 2 || len(list[0].Probes) < 2 || list[1].Probes[0].Seconds <= 0 {
		t.Errorf("probes: %+v", list)
	}
	if _, err := d.client().Probes(t.Context(), "web", "nobody"); err == nil || !strings.Contains(err.Error(), "web/nobody") {
		t.Errorf("probes of nobody: %v", err)
	}
}
