package integration

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// Two machines that are directors and web servers at once: both serve, whoever is
// active; no packet goes round between them; connections survive a handover all,
// and a death those of the one that lives.
func TestTwoBoxes(t *testing.T) {
	l := labtest.New(t, lab.Topology{Directors: 2, RealServers: 1})
	for _, name := range []string{"lb1", "lb2"} {
		labtest.Must(l.Host(name).Web(":80"))(t)
		labtest.Must(l.Host(name).TCPEcho(fmt.Sprintf(":%d", echoTCP)))(t)
	}
	secret := sharedSecret(t)
	p := startPair(t, l, "two-boxes", func(_, config string) string {
		config = strings.Replace(config, "secret_file = \"/etc/lvsd/sync.secret\"\n", secret, 1)
		return config + fmt.Sprintf("\n[virtual.echo]\nvip = \"%s:%d\"\nforwarding = \"dr\"\nscheduler = \"rr\"\n"+
			"real.lb1 = \"10.0.1.31\"\nreal.lb2 = \"10.0.1.32\"\n", lab.VIP4, echoTCP)
	})
	p.bothServe("at first", p.one, p.two)
	clients := dialLong(t, l.Host("client"), lab.VIP4, connections)
	survive := func(when string, want int) {
		t.Helper()
		n := clients.ask(strings.ReplaceAll(when, " ", "-"), 10*time.Second)
		t.Logf("%s: %d of %d connections go on", when, n, connections)
		if n != want {
			t.Errorf("%s: %d of %d connections go on, want %d", when, n, connections, want)
		}
	}
	survive("at first", connections)
	p.one.run("failover")
	p.two.becomes("active", true)
	p.one.becomes("backup", false)
	p.bothServe("after a handover", p.two, p.one)
	survive("after a handover", connections)
	p.two.run("failover")
	p.one.becomes("active", true)
	p.two.becomes("backup", false)
	p.bothServe("after the way back", p.one, p.two)
	survive("after the way back", connections)

	// A stopped daemon leaves a web server behind, and no director.
	p.one.stop()
	p.two.becomes("active", true)
	p.serve("after a stop", map[string]bool{"lb1": true, "lb2": true})
	survive("after a stop", connections)

	labtest.NoError(t, l.Host("lb1").Unplug("eth0", true))
	survive("after a death", connections/2)
	p.weighsBoth(p.two, 0, 1)
	p.serve("after a death", map[string]bool{"lb2": true})
}

// bothServe holds that both machines answer, that the active one alone has the
// VIP on its interface, and that the standby forwards nothing.
func (p pair) bothServe(when string, active, standby *director) {
	p.t.Helper()
	for _, d := range []*director{active, standby} {
		eventually(p.t, "the sync daemons of "+d.host.Name, func() bool {
			return daemonRuns(p.t, d.host, "master") == (d == active) && daemonRuns(p.t, d.host, "backup") == (d != active)
		})
		if got := labtest.Run(p.t, d.host, "ip", "-o", "address", "show", "dev", "lo"); !strings.Contains(got, lab.VIP4.String()+"/32") {
			p.t.Errorf("%s: %s has no VIP on lo:\n%s", when, d.host.Name, got)
		}
		d.settled()
		if w := d.status().Warnings; len(w) > 0 {
			p.t.Errorf("%s: warnings of %s: %q", when, d.host.Name, w)
		}
	}
	p.weighsBoth(active, 1, 1)
	mac := labtest.Must(active.host.MAC("eth0"))(p.t)
	before := forwarded(p.t, standby)
	p.serve(when, map[string]bool{"lb1": true, "lb2": true})
	if got := labtest.Must(p.lab.Host("client").Neighbour(lab.VIP4))(p.t); got.String() != mac.String() {
		p.t.Errorf("%s: the client finds the VIP at %s, want %s of %s", when, got, mac, active.host.Name)
	}
	if n := forwarded(p.t, standby) - before; n != 0 {
		p.t.Errorf("%s: the standby forwarded %d packets", when, n)
	}
}

// forwarded is how many packets a director's IPVS took, up to now: the counters of
// services are two seconds late.
func forwarded(t *testing.T, d *director) uint64 {
	t.Helper()
	text := labtest.Run(t, d.host, "cat", "/proc/net/ip_vs_stats_percpu")
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "~" {
			return labtest.Must(strconv.ParseUint(words[2], 16, 64))(t)
		}
	}
	t.Fatalf("no sum in\n%s", text)
	return 0
}

// serve asks the web service often, from an empty neighbour table on, and holds
// that the machines answer, about as often as each other.
func (p pair) serve(when string, want map[string]bool) {
	p.t.Helper()
	client := p.lab.Host("client")
	labtest.NoError(p.t, client.FlushNeighbours())
	const requests = 40
	got := map[string]int{}
	for range requests {
		got[labtest.Get(p.t, client, labtest.URL(netip.Addr(lab.VIP4), 80))]++
	}
	p.t.Logf("%s: answers %v", when, got)
	for _, name := range []string{"lb1", "lb2"} {
		if want[name] != (got[name] >= requests/len(want)-2) || !want[name] && got[name] > 0 {
			p.t.Errorf("%s: answers %v, want them of %v", when, got, want)
		}
	}
}

// weighsBoth waits for the weights of the two machines in the web service.
func (p pair) weighsBoth(d *director, one, two int32) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("weights %d and %d on %s", one, two, d.host.Name), func() bool {
		for _, s := range d.status().Services {
			if s.Virtual == "web" {
				return s.Servers[0].Weight == one && s.Servers[1].Weight == two
			}
		}
		return false
	})
}
