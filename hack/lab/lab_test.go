package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The router leads between the client and everybody else, in both families.
func TestRouter(t *testing.T) {
	l := labtest.New(t, lab.Topology{Router: true, Directors: 2, RealServers: 1, Outside: true})
	var names []string
	for _, h := range l.Hosts() {
		names = append(names, h.Name)
	}
	if got, want := strings.Join(names, " "), "client lb1 lb2 outside router rs1"; got != want {
		t.Errorf("hosts %s, want %s", got, want)
	}
	client, rs1 := l.Host("client"), l.Host("rs1")
	labtest.Must(rs1.Web(":80"))(t)
	for _, h := range []struct{ server, want string }{
		{labtest.URL(rs1.V4, 80), client.V4.String() + ":"},
		{labtest.URL(rs1.V6, 80), "[" + client.V6.String() + "]:"},
	} {
		if got := labtest.Get(t, client, h.server+"remote"); !strings.HasPrefix(got, h.want) {
			t.Errorf("%s saw the client at %s, want %s…", h.server, got, h.want)
		}
	}
}

func TestServices(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	client, rs1 := l.Host("client"), l.Host("rs1")
	web := labtest.Must(rs1.Web(":80"))(t)
	url := labtest.URL(rs1.V4, 80)
	if got := labtest.Get(t, client, url+"slow?ms=20"); got != "rs1" {
		t.Errorf("/slow answered %q", got)
	}
	if got := len(labtest.Get(t, client, url+"bytes?n=3000000")); got != 3000000 {
		t.Errorf("/bytes answered %d bytes, want 3000000", got)
	}
	resp, err := client.HTTPClient().Post(url+"upload", "text/plain", strings.NewReader(strings.Repeat("x", 100000)))
	labtest.NoError(t, err)
	defer resp.Body.Close()
	if got, _ := bufio.NewReader(resp.Body).ReadString('\n'); got != "100000\n" {
		t.Errorf("/upload answered %q", got)
	}
	labtest.NoError(t, web.Close())
	if _, err := client.Get(t.Context(), url); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a closed service: error %v, want %v", err, syscall.ECONNREFUSED)
	}

	echo := labtest.Must(rs1.TCPEcho(":7"))(t)
	c, err := client.Dial(t.Context(), "tcp", fmt.Sprintf("[%s]:7", rs1.V6))
	labtest.NoError(t, err)
	defer c.Close()
	for _, line := range []string{"one", "two"} {
		if got := labtest.Ask(t, c, line); got != "rs1 "+line {
			t.Errorf("echo of %s is %q", line, got)
		}
	}
	labtest.NoError(t, echo.Close())
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a closed service kept its connection")
	}
}

// UDP answers come from the address that was asked, whichever the server would choose by itself.
func TestUDPEchoSource(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	client, rs1 := l.Host("client"), l.Host("rs1")
	labtest.Must(rs1.UDPEcho(5000))(t)
	labtest.NoError(t, rs1.AddVIP("eth0", lab.VIP4))
	labtest.NoError(t, rs1.AddVIP("eth0", lab.VIP6))
	for _, address := range []string{lab.VIP4.String() + ":5000", "[" + lab.VIP6.String() + "]:5000"} {
		// A connected socket takes answers from that address only.
		c := labtest.Must(client.Dial(t.Context(), "udp", address))(t)
		if got := labtest.Ask(t, c, "hello"); got != "rs1 hello" {
			t.Errorf("%s answered %q", address, got)
		}
		c.Close()
	}
}

func TestCommand(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	lb := l.Host("lb1")
	if got := labtest.Run(t, lb, "cat", "/proc/net/dev"); !strings.Contains(got, "eth0") {
		t.Errorf("lb1 has no eth0:\n%s", got)
	}
	_, err := lb.Run(t.Context(), "sh", "-c", "echo broken >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "broken") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v, want exit status 3 and the message", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := lb.Command(ctx, "sh", "-c", "sleep 1000; true")
	labtest.NoError(t, c.Start())
	cancel()
	if err := c.Wait(); err == nil {
		t.Error("a killed process ended without an error")
	}
	labtest.NoError(t, lb.SetSysctl("net.ipv4.ip_forward", "1"))
	for host, want := range map[string]string{"lb1": "1", "rs1": "0"} {
		if got := labtest.Must(l.Host(host).Sysctl("net.ipv4.ip_forward"))(t); got != want {
			t.Errorf("ip_forward on %s is %s, want %s", host, got, want)
		}
	}
}

// A process that cannot say that it is ready, and one that does not before the
// context ends, leave nothing running.
func TestStartReadyFails(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	ended := l.Host("lb1").Command(t.Context(), "sh", "-c", "exit 3")
	if err := ended.StartReady(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a process that ends: %v, want exit status 3", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	silent := l.Host("lb1").Command(t.Context(), "sleep", "1000")
	if err := silent.StartReady(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent process: %v, want the context's error", err)
	}
	select {
	case <-silent.Done():
	default:
		t.Error("the silent process still runs")
	}
}

func TestLoad(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	client, rs1 := l.Host("client"), l.Host("rs1")
	labtest.Must(rs1.Web(":80"))(t)
	url := labtest.URL(rs1.V4, 80)
	r := client.StartLoad(t.Context(), lab.LoadConfig{URL: url, Workers: 4, Requests: 100}).Wait()
	if r.Requests != 100 || r.Failures != 0 || r.ByServer["rs1"] != 100 {
		t.Errorf("100 requests: %s", r)
	}
	t.Log(r)

	const cut = 300 * time.Millisecond
	load := client.StartLoad(t.Context(), lab.LoadConfig{URL: url, Rate: 100})
	labtest.NoError(t, rs1.Unplug("eth0", true))
	time.Sleep(cut) // the length of an outage is what is measured
	labtest.NoError(t, rs1.Unplug("eth0", false))
	for load.Report().ByServer["rs1"] < 10 {
		time.Sleep(10 * time.Millisecond)
	}
	if r := load.Stop(); r.LongestGap < cut {
		t.Errorf("an outage of %s: %s", cut, r)
	}
}

// Close leaves nothing behind: no namespace, process or, by goleak, goroutine.
func TestClose(t *testing.T) {
	l, err := lab.New(lab.Topology{})
	labtest.NoError(t, err)
	c := l.Host("rs1").Command(context.Background(), "sleep", "1000")
	labtest.NoError(t, c.Start())
	labtest.Must(l.Host("rs1").TCPEcho(":7"))(t)
	l.Host("client").StartLoad(context.Background(), lab.LoadConfig{URL: labtest.URL(l.Host("rs1").V4, 80)})
	labtest.NoError(t, l.Close())
	if names, _ := filepath.Glob("/run/netns/*"); len(names) > 0 {
		t.Errorf("namespaces left: %v", names)
	}
	if err := syscall.Kill(c.Process.Pid, 0); !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := lab.New(lab.Topology{RealServers: 100}); err == nil {
		t.Error("100 real servers do not fit the addresses")
	}
	l := labtest.New(t, lab.Topology{})
	if _, err := lab.New(lab.Topology{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second lab with the same names: error %v, want %v", err, os.ErrExist)
	}
	if _, err := l.AddHost("lb1"); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second lb1: error %v, want %v", err, os.ErrExist)
	}
}
