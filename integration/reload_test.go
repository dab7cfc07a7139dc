package integration

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/control"
)

// webConfig is a DR service of the servers with these weights; a weight below 0
// leaves the server out.
func webConfig(weights ...int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s[virtual.web]\nvip = \"%s:80\"\nforwarding = \"dr\"\nscheduler = \"wrr\"\n[virtual.web.real]\n", vipTable(lab.VIP4), lab.VIP4)
	for i, w := range weights {
		if w >= 0 {
			fmt.Fprintf(&b, "rs%d = { address = \"10.0.1.%d:80\", weight = %d }\n", i+1, 101+i, w)
		}
	}
	return b.String()
}

func drLab(t *testing.T, servers int) *lab.Lab {
	t.Helper()
	l := labtest.New(t, lab.Topology{RealServers: servers})
	for _, rs := range serve(t, l) {
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
	}
	return l
}

// A reload does exactly what the change needs.
func TestReloadDoesWhatTheChangeNeeds(t *testing.T) {
	l := drLab(t, 3)
	d := start(t, l.Host("lb1"), webConfig(1, 1))
	vip := lab.VIP4.String()
	for _, step := range []struct {
		name    string
		weights []int
		want    []string
	}{
		{"nothing", []int{1, 1}, nil},
		{"add a server", []int{1, 1, 1}, []string{"add 10.0.1.103:80 to tcp " + vip + ":80 (dr weight 1)"}},
		{"change a weight", []int{1, 5, 1}, []string{"set 10.0.1.102:80 in tcp " + vip + ":80 (dr weight 5)"}},
		{"quiesce a server", []int{1, 0, 1}, []string{"set 10.0.1.102:80 in tcp " + vip + ":80 (dr weight 0)"}},
		{"remove a server", []int{1, -1, 1}, []string{"delete 10.0.1.102:80 from tcp " + vip + ":80"}},
		{"replace a server", []int{-1, 1, 1}, []string{
			"add 10.0.1.102:80 to tcp " + vip + ":80 (dr weight 1)",
			"delete 10.0.1.101:80 from tcp " + vip + ":80",
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			d.write(webConfig(step.weights...))
			if diff := cmp.Diff(step.want, d.plan()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if done := d.reload(); done.Operations != len(step.want) || len(done.Errors) > 0 {
				t.Errorf("reload: %d operations, want %d; errors %q", done.Operations, len(step.want), done.Errors)
			}
			d.settled()
			if n := d.log.count("drift repaired"); n > 0 {
				t.Errorf("a reload counts as drift:\n%s", d.log)
			}
		})
	}
}

// A bad file changes nothing, whichever way it is read, and says why.
func TestBadReload(t *testing.T) {
	l := drLab(t, 2)
	d := start(t, l.Host("lb1"), webConfig(1, 1))
	before := d.table()
	d.write(strings.Replace(webConfig(1), "wrr", "wr", 1))
	_, err := control.Dial(d.socket()).Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), "director.toml:13:13") || !strings.Contains(err.Error(), "wrr") {
		t.Errorf("reload: got %v, want an error at 12:13 that names wrr", err)
	}
	if diff := cmp.Diff(before, d.table()); diff != "" {
		t.Errorf("the table changed (-before +after):\n%s", diff)
	}
	if s := d.status(); s.Daemon.Reload == "" || !s.Daemon.InStep {
		t.Errorf("status: reload error %q, in step %t", s.Daemon.Reload, s.Daemon.InStep)
	}
	labtest.NoError(t, d.cmd.Signal(syscall.SIGHUP))
	eventually(t, "SIGHUP reads the file", func() bool { return d.log.count("reload refused") >= 2 })
	d.write(webConfig(1))
	labtest.NoError(t, d.cmd.Signal(syscall.SIGHUP))
	eventually(t, "a good file is taken", func() bool { return len(d.table()) == 2 && d.status().Daemon.Reload == "" })
}

// With watch = true a changed file is read without being told, however it is
// replaced.
func TestWatch(t *testing.T) {
	l := drLab(t, 3)
	const watch = "[director]\nwatch = true\n"
	d := start(t, l.Host("lb1"), watch+webConfig(1))
	d.write(watch + webConfig(1, 1))
	eventually(t, "a file written in place is read", func() bool { return len(d.table()) == 3 })
	path := d.config()
	d.write(watch + webConfig(1, 1, 1))
	data := labtest.Must(os.ReadFile(path))(t)
	d.write(watch + webConfig(1, 1))
	labtest.NoError(t, os.WriteFile(path+".new", data, 0o600))
	labtest.NoError(t, os.Rename(path+".new", path))
	eventually(t, "a file put in its place is read", func() bool { return len(d.table()) == 4 })
	labtest.NoError(t, os.Mkdir(d.dir+"/conf.d", 0o755))
	labtest.NoError(t, os.WriteFile(d.dir+"/conf.d/more.toml", []byte(
		"[virtual.more]\nvip = \"10.0.1.200:8080\"\nforwarding = \"dr\"\nreal.rs1 = \"10.0.1.101\"\n"), 0o600))
	eventually(t, "a new fragment is read", func() bool { return len(d.table()) == 6 })
}

// clients sends requests until the function has returned, and holds that none
// of them failed. The function gets a way to wait for some more of them.
func clients(t *testing.T, l *lab.Lab, during func(more func(requests int))) {
	t.Helper()
	load := l.Host("client").StartLoad(t.Context(), lab.LoadConfig{
		URL: labtest.URL(lab.VIP4, webPort), Workers: 2, Rate: 100,
	})
	during(func(requests int) {
		enough := load.Report().Requests + requests
		eventually(t, "the clients go on", func() bool { return load.Report().Requests >= enough })
	})
	report := load.Stop()
	t.Log(report)
	if report.Failures > 0 || report.Requests < 100 {
		t.Errorf("%d of %d requests failed: %v", report.Failures, report.Requests, report.Errors)
	}
}

// No connection to a server breaks while others come, go and change.
func TestReloadUnderLoad(t *testing.T) {
	l := drLab(t, 3)
	d := start(t, l.Host("lb1"), webConfig(1, 1))
	echo := "\n[virtual.echo]\nvip = \"10.0.1.200:7\"\nforwarding = \"dr\"\nreal.rs1 = \"10.0.1.101:7\"\n"
	labtest.Must(l.Host("rs1").TCPEcho(":7"))(t)
	d.write(webConfig(1, 1) + echo)
	d.reload()
	long := labtest.Must(l.Host("client").Dial(t.Context(), "tcp", "10.0.1.200:7"))(t)
	defer long.Close()
	labtest.Ask(t, long, "before")
	// rs3 is quiesced before it goes: what is under way to a server that goes is lost with it.
	steps := [][]int{{1, 1}, {1, 1, 1}, {1, 0, 1}, {1, 3, 1}, {2, 1, 0}}
	clients(t, l, func(more func(int)) {
		for i := range 50 {
			more(5)
			if i%len(steps) == 0 {
				eventually(t, "rs3 has no connections", func() bool { return active(d, "rs3") == 0 })
			}
			d.write(webConfig(steps[i%len(steps)]...) + echo)
			if done := d.reload(); len(done.Errors) > 0 {
				t.Errorf("reload %d: %q", i, done.Errors)
			}
		}
	})
	if got := labtest.Ask(t, long, "after"); got != "rs1 after" {
		t.Errorf("the long connection answers %q", got)
	}
	d.settled()
}

// active is how many connections the kernel has to a real server.
func active(d *director, name string) int {
	d.t.Helper()
	n := 0
	for _, s := range d.status().Services {
		for _, r := range s.Servers {
			if r.Name == name {
				n += int(r.Active)
			}
		}
	}
	return n
}

// A client that uses a port again soon after its server was removed is sent to
// another one: proxies and routers with many clients behind them do so all the
// time.
func TestPortIsUsedAgain(t *testing.T) {
	l := drLab(t, 2)
	d := start(t, l.Host("lb1"), webConfig(1))
	if got := requestFrom(t, l.Host("client"), 40000); got != "rs1" {
		t.Fatalf("%q answered, want rs1", got)
	}
	d.write(webConfig(-1, 1))
	d.reload()
	if got := requestFrom(t, l.Host("client"), 40000); got != "rs2" {
		t.Errorf("%q answered, want rs2", got)
	}
}

// requestFrom gets the name of the web server from a port of the client's own.
func requestFrom(t *testing.T, client *lab.Host, port int) string {
	t.Helper()
	var answer []byte
	labtest.NoError(t, client.Do(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{Port: port}, Timeout: 5 * time.Second}
		c, err := d.DialContext(t.Context(), "tcp4", netip.AddrPortFrom(lab.VIP4, webPort).String())
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			return err
		}
		answer, err = io.ReadAll(c) // the server closes first, so that the port is free at once
		return err
	}))
	_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	return strings.TrimSpace(body)
}

// The daemon may die at any moment: no request fails, and the next one takes
// over what it finds.
func TestKillUnderLoad(t *testing.T) {
	l := drLab(t, 3)
	d := start(t, l.Host("lb1"), webConfig(1, 1, 1))
	random := rand.New(rand.NewPCG(1, 2))
	steps := [][]int{{1, 1, 1}, {1, 1, 0}, {2, 0, 1}, {1, 4, 1}}
	clients(t, l, func(more func(int)) {
		for i := range kills {
			more(5)
			// Half of the times in the middle of a change.
			if i%2 == 0 {
				d.write(webConfig(steps[i/2%len(steps)]...))
				labtest.NoError(t, d.cmd.Signal(syscall.SIGHUP))
			}
			time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
			d.cmd.Kill()
			d.start()
		}
	})
	d.settled()
	agrees(t, d)
}
