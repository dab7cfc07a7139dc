package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// An attack is frames of some kinds. Other clients get their answers meanwhile.
const (
	attackFrames = 6000
	attackRate   = 3000
)

// floodLimits are those of the flooded service. They leave the client more than it
// needs.
const floodLimits = "[virtual.web.guard]\nsource_syns = { rate = 50, burst = 100 }\nsyns = { rate = 500, burst = 500 }\n"

// floodedService is a web service and its VIP.
func floodedService(way string, servers []*lab.Host) string {
	return vipTable(lab.VIP4) + fmt.Sprintf("[virtual.web]\nvip = \"%s:80\"\nscheduler = \"rr\"\nforwarding = %q\n", lab.VIP4, way) + reals("web", servers, true)
}

// set makes the guard off, counting or enforcing.
func (d *director) set(mode, services string, client netip.Addr) {
	d.t.Helper()
	allow := fmt.Sprintf("allow = [%q]", client)
	switch mode {
	case "off":
		d.write(services)
	case "counting":
		d.write(guarded(allow, "enforce = false", "[guard.limit]", "fragments = 10") + services + floodLimits)
	case "enforcing":
		d.write(guarded(allow, "[guard.limit]", "fragments = 10") + services + floodLimits)
	default:
		d.t.Fatalf("no mode %q", mode)
	}
	if done := d.reload(); len(done.Errors) > 0 {
		d.t.Fatalf("%s: %q", mode, done.Errors)
	}
}

// Four kinds of floods, by both ways of forwarding, with the guard off, counting
// and enforcing. What was decided adds up to the frames that were sent, exactly.
func TestGuardFlood(t *testing.T) {
	for _, tt := range []struct {
		name     string
		topology lab.Topology
	}{
		{"dr", lab.Topology{RealServers: 2, Outside: true}},
		{"nat", lab.Topology{RealServers: 2, Outside: true, BehindDirector: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := labtest.New(t, tt.topology)
			servers := serve(t, l)
			if tt.name == "dr" {
				for _, rs := range servers {
					labtest.NoError(t, rs.TakeVIP(lab.VIP4))
				}
			}
			services := floodedService(tt.name, servers)
			d := startGuarded(t, l.Host("lb1"), services)
			a := newAttacker(t, l)
			for _, mode := range []string{"off", "counting", "enforcing"} {
				d.set(mode, services, l.Host("client").V4)
				flooded(t, l, d, a, mode)
			}
		})
	}
}

// flooded sends a flood while a client asks, and holds what is true of each mode.
func flooded(t *testing.T, l *lab.Lab, d *director, a *attacker, mode string) {
	t.Helper()
	var before map[string]uint64
	if mode != "off" {
		before = d.decided()
	}
	load := l.Host("client").StartLoad(t.Context(), lab.LoadConfig{URL: labtest.URL(lab.VIP4, webPort), Rate: 50})
	a.fire(attackRate, attackFrames, spoofed, single, fragment, stray)
	report := load.Stop()
	t.Logf("%s: client: %d requests, %d failed, median %s, p99 %s", mode, report.Requests, report.Failures, report.Latency(0.5), report.Latency(0.99))
	if mode == "off" {
		return
	}
	if report.Failures > 0 || report.Requests == 0 {
		t.Errorf("%s: the client lost requests: %s", mode, report)
	}
	by, sum := since(d.decided(), before)
	t.Logf("%s: %v", mode, by)
	if sum != attackFrames {
		t.Errorf("%s: decided over %d packets of the flood, of %d: %v", mode, sum, attackFrames, by)
	}
	if n := d.dropped(); mode == "counting" && n > 0 || mode == "enforcing" && n != sum-by[""] {
		t.Errorf("%s: %d packets dropped", mode, n)
	}
	if by["no such port"] != attackFrames/4 {
		t.Errorf("%s: %d packets to no port, want %d", mode, by["no such port"], attackFrames/4)
	}
	for _, reason := range []string{"SYNs of one source", "fragments"} {
		if by[reason] < attackFrames/8 {
			t.Errorf("%s: %d times %s, of %d", mode, by[reason], reason, attackFrames/4)
		}
	}
}

// The guard does not need the daemon: it goes on under fire when that is killed,
// and the next one takes it as it is.
func TestGuardOutlivesTheDaemon(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 2, Outside: true})
	for _, rs := range serve(t, l) {
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
	}
	config := guarded() + webConfig(1, 1)
	d := startGuarded(t, l.Host("lb1"), config)
	d.must("guard", "block", "203.0.113.0/24")
	a := newAttacker(t, l)
	load := l.Host("client").StartLoad(t.Context(), lab.LoadConfig{URL: labtest.URL(lab.VIP4, webPort), Rate: 50})
	a.fire(attackRate, 1000, stray)
	d.cmd.Kill()
	a.fire(attackRate, 1000, stray)
	// What it did is there to be read without a daemon.
	if out := d.must("guard", "status"); !strings.Contains(out, "no such port") || !strings.Contains(out, "eth0 (driver)") {
		t.Errorf("status without a daemon:\n%s", out)
	}
	d.start()
	a.fire(attackRate, 1000, stray)
	if n := d.dropped(); n != 3000 {
		t.Errorf("%d dropped, want all 3000", n)
	}
	if n := d.log.count("op=\"load guard\"") + d.log.count("attach guard"); n != 2 {
		t.Errorf("%d times loaded or attached, want once each:\n%s", n, d.log)
	}
	if n := d.guard().Block; n != 1 {
		t.Errorf("%d networks blocked after the restart, want the one by command", n)
	}
	d.settled()

	replaced(t, d, a)
	report := load.Stop()
	t.Log(report)
	if report.Failures > 0 {
		t.Errorf("the client lost requests: %s", report)
	}
	d.stop()
	d.attached("eth0", true)

	d.write(strings.Replace(config, "eth0\"\n", "eth0\"\non_stop = \"detach\"\n", 1))
	d.start()
	d.stop()
	d.attached("eth0", false)
}

// replaced puts another program in the guard's place, as an older version of lvsd
// is one, and holds that the daemon replaces it under fire without a gap.
func replaced(t *testing.T, d *director, a *attacker) {
	t.Helper()
	before := d.dropped()
	exchangeProgram(t, d.link())
	eventually(t, "the program is replaced", func() bool { return d.log.count("replace guard's program on eth0") > 0 })
	a.fire(attackRate, 1000, stray)
	if n := d.dropped() - before; n != 1000 {
		t.Errorf("%d of 1000 dropped after the program was replaced", n)
	}
	if ops := d.plan(); slices.Contains(ops, "replace guard's program on eth0") {
		t.Errorf("it is still to be replaced:\n%s", strings.Join(ops, "\n"))
	}
}
