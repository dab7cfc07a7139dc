package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// pair is one of the examples with two directors.
type pair struct {
	t        *testing.T
	lab      *lab.Lab
	one, two *director
}

// startPair starts both directors of an example: the first with its file as it
// is, the second with what its README makes of that. edit fits a file to the lab
// where the example cannot.
func startPair(t *testing.T, l *lab.Lab, name string, edit func(host, config string) string) pair {
	t.Helper()
	folder := labtest.Must(filepath.Abs(filepath.Join("..", "examples", name)))(t)
	first := string(labtest.Must(os.ReadFile(filepath.Join(folder, "director.toml")))(t))
	second := l.Host("lb2").Command(t.Context(), "sh", "-euc", commands(t, folder, "The second director"))
	second.Dir = folder
	p := pair{t: t, lab: l}
	p.one = startExample(t, l.Host("lb1"), edit("lb1", first))
	p.two = startExample(t, l.Host("lb2"), edit("lb2", labtest.Must(second.Output())(t)))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("lb1:\n%s\nlb2:\n%s", p.one.log, p.two.log)
		}
	})
	p.one.becomes("active", true)
	p.two.becomes("backup", false)
	return p
}

// startExample starts a director with an example's file and a folder of its own.
func startExample(t *testing.T, host *lab.Host, config string) *director {
	t.Helper()
	if !strings.Contains(config, fmt.Sprintf("name = %q\n", host.Name)) {
		t.Fatalf("the file for %s has another name in it:\n%s", host.Name, config)
	}
	d := newDirector(t, host, "")
	config = strings.Replace(config, "[director]\n", fmt.Sprintf("[director]\nstate_dir = %q\ndata_dir = %q\n", d.dir, d.dir), 1)
	labtest.NoError(t, os.WriteFile(d.config(), []byte(config), 0o600))
	d.start()
	return d
}

// same changes nothing.
func same(_, config string) string { return config }

// prepare runs the commands that an example has for its real servers.
func prepare(t *testing.T, l *lab.Lab, name string) {
	t.Helper()
	for _, rs := range realServers(l) {
		labtest.NoError(t, rs.Script(t.Context(), commands(t, filepath.Join("..", "examples", name), "The real servers")))
	}
}

// weighs waits for the weights of rs1, rs2 and the fallback on a director, -1
// being absent.
func (p pair) weighs(d *director, step string, weights ...int32) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s: %v on %s", step, weights, d.host.Name), func() bool {
		got := []int32{-1, -1, -1}
		for _, s := range d.status().Services[0].Servers {
			switch {
			case s.Address.Addr().IsLoopback():
				got[2] = int32(s.Weight)
			case strings.HasSuffix(s.Address.Addr().String(), "101"):
				got[0] = int32(s.Weight)
			default:
				got[1] = int32(s.Weight)
			}
		}
		return got[0] == weights[0] && got[1] == weights[1] && got[2] == weights[2]
	})
}

// answers holds that requests from now on succeed, by these hosts only.
func (p pair) answers(hosts ...string) {
	p.t.Helper()
	report := p.lab.Host("client").StartLoad(p.t.Context(), lab.LoadConfig{
		URL: labtest.URL(lab.VIP4, webPort), Workers: 2, Requests: 20,
	}).Wait()
	if report.Failures > 0 || len(report.ByServer) != len(hosts) {
		p.t.Errorf("%s, want %v alone", report, hosts)
	}
}

// clients opens long connections to the web service, each of which has been
// used a little, so that the sync daemon has told of it.
func (p pair) clients(n int) []net.Conn {
	p.t.Helper()
	var all []net.Conn
	for range n {
		c := labtest.Must(p.lab.Host("client").Dial(p.t.Context(), "tcp", netip.AddrPortFrom(lab.VIP4, webPort).String()))(p.t)
		p.t.Cleanup(func() { c.Close() })
		all = append(all, c)
	}
	for range 3 {
		p.goOn("before", all)
	}
	eventually(p.t, "the standby has the connections", func() bool { return held(p.t, p.two.host) >= n })
	return all
}

// goOn holds that long connections are answered still.
func (p pair) goOn(when string, clients []net.Conn) {
	p.t.Helper()
	alive := 0
	for _, c := range clients {
		if host, err := askAgain(c); err == nil && host != "" {
			alive++
		}
	}
	p.t.Logf("%s: %d of %d connections go on", when, alive, len(clients))
	if alive != len(clients) {
		p.t.Errorf("%s: %d of %d connections go on", when, alive, len(clients))
	}
}

// crash kills the first director as a power cut does: its cables are dead too.
func (p pair) crash(devices ...string) {
	p.t.Helper()
	p.one.cmd.Kill()
	for _, dev := range devices {
		labtest.NoError(p.t, p.one.host.Unplug(dev, true))
	}
	p.two.becomes("active", true)
}

// boot brings the first director back as a host that has booted: without VIPs.
func (p pair) boot(vips map[string]string) {
	p.t.Helper()
	for dev, vip := range vips {
		labtest.Run(p.t, p.one.host, "ip", "address", "del", vip, "dev", dev)
		labtest.NoError(p.t, p.one.host.Unplug(dev, false))
	}
	p.one.start()
	p.one.becomes("active", true)
	p.two.becomes("backup", false)
}

// newRecipeLab builds the lab of a pair, with sites on its real servers.
func newRecipeLab(t *testing.T, name string, topology lab.Topology) (*lab.Lab, [2]*site) {
	t.Helper()
	topology.Directors = 2
	l := labtest.New(t, topology)
	prepare(t, l, name)
	return l, [2]*site{newSite(t, l.Host("rs1")), newSite(t, l.Host("rs2"))}
}

func TestKeepalivedPair(t *testing.T) {
	l, web := newRecipeLab(t, "keepalived-pair", lab.Topology{})
	p := startPair(t, l, "keepalived-pair", same)
	p.weighs(p.one, "start", 1, 2, -1)
	p.weighs(p.two, "start", 1, 2, -1)
	p.answers("rs1", "rs2")
	long := p.clients(20)

	p.crash("eth0")
	p.answers("rs1", "rs2")
	p.goOn("after the crash", long)
	p.boot(map[string]string{"eth0": "10.0.1.200/32"})
	p.weighs(p.one, "back", 1, 2, -1)
	p.goOn("back again", long)

	web[0].stop()
	p.weighs(p.one, "rs1 stopped", 0, 2, -1)
	p.answers("rs2")
	web[0].start()
	p.weighs(p.one, "rs1 started", 1, 2, -1)
	labtest.Run(t, l.Host("rs2"), "ip", "address", "del", "10.0.1.200/32", "dev", "lo")
	p.weighs(p.one, "rs2 without the VIP", 1, 0, -1)
	p.answers("rs1")
}

func TestUltraMonkeyPair(t *testing.T) {
	l, web := newRecipeLab(t, "ultramonkey-pair", lab.Topology{BehindDirector: true})
	for _, name := range []string{"lb1", "lb2"} {
		labtest.Must(l.Host(name).Web(":80"))(t) // the fallback
	}
	p := startPair(t, l, "ultramonkey-pair", same)
	p.weighs(p.one, "start", 1, 1, -1)
	p.weighs(p.two, "start", 1, 1, -1)
	p.answers("rs1", "rs2")
	long := p.clients(20)

	web[0].broken.Store(true)
	p.weighs(p.one, "page of rs1 broken", 0, 1, -1)
	p.weighs(p.two, "page of rs1 broken", 0, 1, -1)
	p.answers("rs2")

	p.crash("eth0", "eth1")
	p.answers("rs2")
	p.goOn("after the crash", long)
	eventually(t, "the sync daemons have swapped", func() bool { return daemonRuns(t, p.two.host, "master") })
	web[1].stop()
	p.weighs(p.two, "both down", 0, 0, 1)
	p.answers("lb2")
	web[0].broken.Store(false)
	web[1].start()
	p.weighs(p.two, "both up", 1, 1, -1)

	p.boot(map[string]string{"eth0": "10.0.1.200/32", "eth1": "10.0.2.254/32"})
	p.weighs(p.one, "back", 1, 1, -1)
	p.answers("rs1", "rs2")
	eventually(t, "the sync daemons are as before", func() bool {
		return daemonRuns(t, p.one.host, "master") && daemonRuns(t, p.two.host, "backup")
	})
}

// Stopping nginx does not move the VIP, as it is started again; an nginx that
// cannot start does.
func TestNginxPair(t *testing.T) {
	for _, preempt := range []bool{true, false} {
		t.Run(fmt.Sprintf("auto_failback %t", preempt), func(t *testing.T) {
			l := labtest.New(t, lab.Topology{Directors: 2, RealServers: 1})
			// All hosts of the lab see each other's processes, so that each nginx has a name of its own.
			webs := map[string]*localNginx{"lb1": newNginx(t, l.Host("lb1")), "lb2": newNginx(t, l.Host("lb2"))}
			p := startPair(t, l, "nginx-pair", func(host, config string) string {
				return strings.NewReplacer(
					`"nginx", interval`, fmt.Sprintf("%q, interval", webs[host].name()),
					`["/usr/bin/systemctl", "restart", "nginx"]`, webs[host].command(),
					"preempt = true", fmt.Sprintf("preempt = %t", preempt)).Replace(config)
			})
			client := l.Host("client")
			url := labtest.URL(lab.VIP4, webPort)
			who := func() string { return labtest.Get(t, client, url) }
			if got := who(); got != "lb1" {
				t.Fatalf("%s answers, want lb1", got)
			}

			since := p.two.instance("front").Since
			webs["lb1"].stop()
			eventually(t, "nginx is started again", func() bool {
				got, err := client.Get(t.Context(), url)
				return err == nil && strings.TrimSpace(got) == "lb1"
			})
			if p.two.instance("front").Since != since {
				t.Error("the VIP has moved, although nginx was only restarted")
			}

			webs["lb1"].damage()
			webs["lb1"].stop()
			p.one.becomes("fault", false)
			p.two.becomes("active", true)
			if got := who(); got != "lb2" {
				t.Errorf("%s answers, want lb2", got)
			}
			if why := p.one.instance("front").Fault; !strings.Contains(why, "no process") || !strings.Contains(why, "repair") {
				t.Errorf("the fault is %q", why)
			}

			webs["lb1"].mend()
			webs["lb1"].start()
			if preempt {
				p.one.becomes("active", true)
				p.two.becomes("backup", false)
				if got := who(); got != "lb1" {
					t.Errorf("%s answers, want lb1", got)
				}
				return
			}
			p.one.becomes("backup", false)
			p.two.becomes("active", true)
			if got := who(); got != "lb2" {
				t.Errorf("%s answers, want lb2", got)
			}
		})
	}
}
