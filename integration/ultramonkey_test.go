package integration

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// recipe is the UltraMonkey set-up in a lab, with one of two balancers.
type recipe struct {
	complain func(format string, args ...any) // of an answer that is missing or wrong
	t        *testing.T
	lab      *lab.Lab
	lb       *lab.Host
	rs       [2]*site
	table    *watcher
	steps    []string                 // the table after each step, as ipvsadm shows it
	took     map[string]time.Duration // of each step, until the table had changed
}

func newRecipe(t *testing.T, nat bool) *recipe {
	l := labtest.New(t, lab.Topology{BehindDirector: nat})
	r := &recipe{t: t, complain: t.Errorf, lab: l, lb: l.Host("lb1"), took: map[string]time.Duration{}}
	for i, name := range []string{"rs1", "rs2"} {
		host := l.Host(name)
		if !nat {
			labtest.NoError(t, host.TakeVIP(lab.VIP4))
		}
		r.rs[i] = newSite(t, host)
	}
	labtest.Must(r.lb.Web(":80"))(t) // the fallback
	r.table = watch(t, r.lb)
	return r
}

// lvsd starts lvsd with the example's file.
func (r *recipe) lvsd(nat bool) {
	text := string(labtest.Must(os.ReadFile(filepath.Join("..", "examples", "ultramonkey", "director.toml")))(r.t))
	text = strings.Replace(text, "name = \"lb1\"\n", "", 1) // start adds its own
	if !nat {
		text = strings.NewReplacer(`"nat"`, `"dr"`, "10.0.2.", "10.0.1.").Replace(text)
	}
	start(r.t, r.lb, text)
}

// ldirectord starts ldirectord with the file that means the same.
func (r *recipe) ldirectord(nat bool) {
	method := map[bool]string{true: "masq", false: "gate"}[nat]
	dir := r.t.TempDir()
	file := filepath.Join(dir, "ldirectord.cf")
	labtest.NoError(r.t, os.WriteFile(file, []byte(fmt.Sprintf(`checktimeout=10
checkinterval=2
autoreload=no
quiescent=yes
logfile="%s/log"
virtual=%s:80
	real=%s:80 %s
	real=%s:80 %s
	fallback=127.0.0.1:80 gate
	service=http
	request="ldirector.html"
	receive="Test Page"
	scheduler=rr
	protocol=tcp
	checktype=negotiate
`, dir, lab.VIP4, r.rs[0].host.V4, method, r.rs[1].host.V4, method)), 0o600))
	labtest.NoError(r.t, r.lb.AddVIP("eth0", lab.VIP4))
	labtest.NoError(r.t, r.lb.EnableForwarding())
	c := r.lb.Command(context.Background(), "ldirectord", "-d", file, "start")
	log := &logBuffer{}
	c.Stdout, c.Stderr = log, log
	labtest.NoError(r.t, c.Start())
	r.t.Cleanup(func() {
		c.Kill()
		if r.t.Failed() {
			r.t.Logf("ldirectord:\n%s", log)
		}
	})
}

// until waits for weights of rs1, rs2 and the fallback, -1 being absent, and
// keeps the table and the time that it took.
func (r *recipe) until(step string, since time.Time, weights ...int32) {
	r.t.Helper()
	addrs := []string{r.rs[0].host.V4.String(), r.rs[1].host.V4.String(), "127.0.0.1"}
	eventually(r.t, step+": "+fmt.Sprint(weights)+", not "+r.table.now().text(), func() bool {
		for i, addr := range addrs {
			if r.table.now().weight(addr) != weights[i] {
				return false
			}
		}
		return true
	})
	r.took[step] = r.table.now().at.Sub(since).Round(time.Millisecond)
	r.steps = append(r.steps, step+"\n"+r.ipvsadm())
}

var counters = regexp.MustCompile(`(?m)\s+\d+\s+\d+\s*$`)

// ipvsadm is the table as ipvsadm -Ln shows it, without connections.
func (r *recipe) ipvsadm() string {
	out := labtest.Run(r.t, r.lb, "ipvsadm", "-Ln")
	if i := strings.Index(out, "TCP "); i >= 0 {
		out = out[i:]
	}
	return counters.ReplaceAllString(out, "")
}

// answers holds that requests from now on succeed, by these hosts only.
func (r *recipe) answers(hosts ...string) {
	r.t.Helper()
	report := r.lab.Host("client").StartLoad(r.t.Context(), lab.LoadConfig{
		URL: labtest.URL(lab.VIP4, webPort), Workers: 2, Requests: 20,
	}).Wait()
	if report.Failures > 0 || len(report.ByServer) != len(hosts) {
		r.complain("%s, want %v alone", report, hosts)
	}
	for _, h := range hosts {
		if report.ByServer[h] == 0 {
			r.complain("%s answered nothing: %s", h, report)
		}
	}
}

// run goes through the recipe.
func (r *recipe) run(started time.Time) {
	r.until("start", started, 1, 1, -1)
	r.answers("rs1", "rs2")
	long := r.keepAlive("rs1")

	at := time.Now()
	r.rs[0].broken.Store(true)
	r.until("page of rs1 broken", at, 0, 1, -1)
	r.answers("rs2")
	long("after weight 0")
	at = time.Now()
	r.rs[0].broken.Store(false)
	r.until("page of rs1 back", at, 1, 1, -1)
	r.answers("rs1", "rs2")

	at = time.Now()
	r.rs[0].stop()
	r.until("rs1 stopped", at, 0, 1, -1)
	r.answers("rs2")
	at = time.Now()
	r.rs[1].stop()
	r.until("both stopped", at, 0, 0, 1)
	r.answers("lb1")
	at = time.Now()
	r.rs[0].start()
	r.until("rs1 started", at, 1, 0, -1)
	r.answers("rs1")
	at = time.Now()
	r.rs[1].start()
	r.until("rs2 started", at, 1, 1, -1)
	r.answers("rs1", "rs2")
}

// keepAlive opens a connection that a host serves, and gives a function that
// holds that it is served by the same one still.
func (r *recipe) keepAlive(host string) func(when string) {
	r.t.Helper()
	for range 4 {
		c := labtest.Must(r.lab.Host("client").Dial(r.t.Context(), "tcp", fmt.Sprintf("%s:80", lab.VIP4)))(r.t)
		r.t.Cleanup(func() { c.Close() })
		if got, err := askAgain(c); err != nil || got == host {
			return func(when string) {
				if got, err := askAgain(c); err != nil || got != host {
					r.complain("%s the long connection to %s answers %q, %v", when, host, got, err)
				}
			}
		}
	}
	r.t.Fatalf("none of 4 connections is served by %s", host)
	return nil
}

func askAgain(c net.Conn) (string, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: web\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	return strings.TrimSpace(line), err
}

// tell logs how long the steps took, and every state of the table.
func (r *recipe) tell(start time.Time) {
	r.t.Logf("%v", r.took)
	for _, s := range r.table.sights() {
		r.t.Logf("  %s %s", s.at.Sub(start).Round(time.Millisecond), s.text())
	}
}

// gaps are the states in which nobody would have served a client, once somebody
// did.
func (r *recipe) gaps() []string {
	var gaps []string
	served := false
	for _, s := range r.table.sights() {
		serves := strings.Contains(s.text(), "=1")
		if served && !serves {
			gaps = append(gaps, s.text())
		}
		served = served || serves
	}
	return gaps
}

// The recipe, with Debian's ldirectord and with lvsd in the same kernel.
func TestUltraMonkey(t *testing.T) {
	for _, nat := range []bool{true, false} {
		t.Run(map[bool]string{true: "nat", false: "dr"}[nat], func(t *testing.T) {
			var theirs, ours *recipe
			t.Run("ldirectord", func(t *testing.T) {
				theirs = newRecipe(t, nat)
				// A request that is lost with ldirectord is not our mistake: the kernel sends a client's port
				// that is used again to the server of before, as it leaves net.ipv4.vs.conn_reuse_mode alone.
				theirs.complain = t.Logf
				at := time.Now()
				theirs.ldirectord(nat)
				theirs.run(at)
				theirs.tell(at)
			})
			t.Run("lvsd", func(t *testing.T) {
				ours = newRecipe(t, nat)
				at := time.Now()
				ours.lvsd(nat)
				ours.run(at)
				ours.tell(at)
				if gaps := ours.gaps(); len(gaps) > 0 {
					t.Errorf("moments without a server:\n%s", strings.Join(gaps, "\n"))
				}
			})
			if diff := cmp.Diff(theirs.steps, ours.steps); diff != "" {
				t.Errorf("the tables differ (-ldirectord +lvsd):\n%s", diff)
			}
		})
	}
}
