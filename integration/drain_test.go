package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/override"
)

// downloads is a web server whose answers take long. It counts those under way.
type downloads struct {
	name  string
	took  time.Duration
	begun atomic.Int64
	now   atomic.Int64
	last  atomic.Int64 // Unix time in nanoseconds at which the last one ended
}

const pieces = 20

func (d *downloads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.begun.Add(1)
	d.now.Add(1)
	defer func() {
		d.last.Store(time.Now().UnixNano())
		d.now.Add(-1)
	}()
	for range pieces {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(d.took / pieces):
		}
		fmt.Fprintln(w, d.name)
		w.(http.Flusher).Flush()
	}
}

// downloading serves downloads on each real server and keeps some clients busy with
// them. stop ends the clients and gives how many downloads there were, and what was
// wrong with some.
func downloading(t *testing.T, l *lab.Lab, took time.Duration, clients int) (servers map[string]*downloads, stop func() (int, []string)) {
	t.Helper()
	servers = map[string]*downloads{}
	for _, rs := range realServers(l) {
		d := &downloads{name: rs.Name, took: took}
		servers[rs.Name] = d
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
		listener := labtest.Must(rs.Listen("tcp", ":80"))(t)
		server := &http.Server{Handler: d}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { server.Close() })
	}
	client := l.Host("client").HTTPClient()
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	var mu sync.Mutex
	var broken []string
	n := 0
	for range clients {
		tasks.Go(func() {
			for ctx.Err() == nil {
				err := download(client)
				mu.Lock()
				n++
				if err != nil {
					broken = append(broken, err.Error())
				}
				mu.Unlock()
			}
		})
	}
	stop = func() (int, []string) {
		cancel()
		tasks.Wait()
		return n, broken
	}
	t.Cleanup(func() { stop() })
	return servers, stop
}

// download is an error unless the whole of an answer comes.
func download(client *http.Client) error {
	resp, err := client.Get(fmt.Sprintf("http://%s/", lab.VIP4))
	if err != nil {
		time.Sleep(100 * time.Millisecond)
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && strings.Count(string(body), "\n") != pieces {
		err = fmt.Errorf("a part of an answer: %q", body)
	}
	return err
}

// A drain under load breaks no download and is over with the last one; the director
// may be killed meanwhile.
func TestDrainUnderLoad(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 2})
	const took = 3 * time.Second
	d := newDirector(t, l.Host("lb1"), vipTable(lab.VIP4)+fmt.Sprintf("[virtual.web]\nvip = \"%s:80\"\nforwarding = \"dr\"\nscheduler = \"rr\"\n%s",
		lab.VIP4, reals("web", realServers(l), true)))
	d.start()
	servers, stop := downloading(t, l, took, 8)
	rs1 := servers["rs1"]
	eventually(t, "downloads are under way", func() bool { return rs1.now.Load() >= 2 })

	c := d.command("drain", "web/rs1", "--wait", "--deadline", "1m", "--reason", "new disk")
	out := &logBuffer{}
	c.Stdout, c.Stderr = out, out
	labtest.NoError(t, c.Start())
	// Whoever kills the director before it has answered gets an error.
	eventually(t, "it is drained", func() bool { return d.weight("rs1") == 0 && out.count("web/rs1: drained") > 0 })
	begun, drained := rs1.begun.Load(), time.Now()

	d.cmd.Kill()
	d.start()
	if w, s := d.weight("rs1"), d.status().Services[0].Servers[0]; w != 0 || s.Configured != 1 || s.Override == nil || s.Override.Reason != "new disk" || s.Override.By != "root" {
		t.Errorf("after a kill: weight %d, %+v", w, s)
	}
	d.settled()
	if err := c.Wait(); err != nil {
		t.Errorf("lvsd drain --wait: %v\n%s", err, out)
	}
	over := time.Now()
	if n := rs1.now.Load(); n > 0 {
		t.Errorf("it said that all have ended, and %d are under way", n)
	}
	late := over.Sub(time.Unix(0, rs1.last.Load()))
	if late > patience/2 {
		t.Errorf("it returned %s after the last download", late)
	}
	if n := rs1.begun.Load() - begun; n > 1 { // one may have begun before the weight was seen
		t.Errorf("%d downloads began after the drain", n)
	}
	text := labtest.Must(d.command("status").Output())(t)
	if !strings.Contains(text, "0 (of 1)") || !strings.Contains(text, "DRAINED by root for ") || !strings.Contains(text, "(new disk)") {
		t.Errorf("status:\n%s", text)
	}
	log := labtest.Must(d.command("log").Output())(t)
	if strings.Count(log, "web/rs1 is drained by root: new disk") != 1 || strings.Count(log, "director lb1 starts") != 2 {
		t.Errorf("log:\n%s", log)
	}
	d.run("enable", "web/rs1")
	eventually(t, "it serves again", func() bool { return rs1.now.Load() > 0 })
	n, broken := stop()
	if len(broken) > 0 {
		t.Errorf("%d of %d downloads broke: %q", len(broken), n, broken)
	}
	t.Logf("%d downloads of %s, 0 broken; drained after %s, %s after the last one", n, took, over.Sub(drained), late)
}

// weight is the kernel's weight of a real server of the first service.
func (d *director) weight(server string) int32 {
	d.t.Helper()
	for _, s := range d.status().Services[0].Servers {
		if s.Name == server {
			return s.Weight
		}
	}
	return -1
}

// A server is removed when the last entry of a connection is gone, also from a
// persistent service, and comes back when the drain is taken back.
func TestDrainAndRemove(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 2})
	for _, rs := range realServers(l) {
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
		labtest.Must(rs.Web(":80"))(t)
	}
	d := start(t, l.Host("lb1"), vipTable(lab.VIP4)+fmt.Sprintf("[timeouts]\ntcpfin = \"2s\"\n[virtual.web]\nvip = \"%s:80\"\nforwarding = \"dr\"\nscheduler = \"rr\"\npersistence = \"1h\"\n%s",
		lab.VIP4, reals("web", realServers(l), true)))
	get := func() string {
		return strings.TrimSpace(labtest.Must(l.Host("client").Get(t.Context(), fmt.Sprintf("http://%s/", lab.VIP4)))(t))
	}
	first := get()
	if again := get(); again != first {
		t.Fatalf("not persistent: %s, then %s", first, again)
	}
	start := time.Now()
	d.run("drain", "--server", first, "--wait", "--remove")
	t.Logf("removed after %s", time.Since(start))
	for _, s := range d.table() {
		if strings.HasPrefix(s, "-a") && strings.Contains(s, l.Host(first).V4.String()) {
			t.Errorf("it is still there: %s", s)
		}
	}
	if next := get(); next == first {
		t.Error("the persistent client is still sent there")
	}
	d.settled()
	d.run("enable", "--server", first)
	d.settled()
	if w := d.weight(first); w != 1 {
		t.Errorf("taken back its weight is %d", w)
	}
}

// A director that is drained hands its VIPs over, stays standby over a restart, and
// keeps them where it is alone.
func TestDrainDirector(t *testing.T) {
	l := newPairLab(t)
	lb1, lb2 := l.Host("lb1"), l.Host("lb2")
	e := election{interval: "100ms"}
	a := startPlain(t, lb1, e.config(150))
	a.becomes("active", true)
	_, err := a.client().Override(t.Context(), control.Order{Target: override.Self})
	if err == nil || !strings.HasSuffix(err.Error(), "no other director has taken over front, so this one goes on as before") {
		t.Errorf("alone: %v", err)
	}
	a.becomes("active", true)
	if v := a.instance("front"); v.Priority != 150 || len(a.status().Overrides) > 0 {
		t.Errorf("alone it has priority %d, overrides %v", v.Priority, a.status().Overrides)
	}
	b := startPlain(t, lb2, e.config(100))
	b.becomes("backup", false)
	a.run("drain", "--director", "--reason", "upgrade")
	if v := a.instance("front"); v.State != "backup" || v.Priority != 1 {
		t.Errorf("drained: %+v", v)
	}
	b.becomes("active", true)
	a.becomes("backup", false)
	a.run("enable", "--director")
	a.becomes("active", true)
	b.becomes("backup", false)
	a.run("drain", "--director")
	b.becomes("active", true)
	w := listen(t, l.Host("client"), "eth0")
	a.stop()
	a.start()
	// It would take over after four intervals at the most, and then hear nobody.
	eventually(t, "it has heard the other one for longer than the dead time", func() bool { return a.instance("front").Received >= 8 })
	if n := len(w.adverts(lb1.V4)); n > 0 {
		t.Errorf("after a restart it bid for the VIP %d times", n)
	}
	a.becomes("backup", false)
	b.cmd.Kill()
	a.becomes("active", true) // better than nobody
	b.start()
	b.becomes("active", true)
	a.run("enable", "--director")
	a.becomes("active", true)
	b.becomes("backup", false)
}
