package integration

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/status"
)

// quick are timings for tests: a server is found within a second or two.
const quick = `interval = "200ms", fast_interval = "100ms", timeout = "500ms"`

// web writes a service of all real servers with a check.
func web(vip netip.Addr, settings, check string, servers []*lab.Host, v4 bool) string {
	return fmt.Sprintf("[virtual.web]\nvip = %q\nscheduler = \"rr\"\n%s\ncheck = { %s, %s }\n%s",
		netip.AddrPortFrom(vip, webPort), settings, check, quick, reals("web", servers, v4))
}

// states gives the state of each server of the first service by its name.
func (d *director) states() map[string]string {
	d.t.Helper()
	states := map[string]string{}
	for _, r := range d.status().Services[0].Servers {
		states[r.Name] = "without checks"
		if r.Health != nil {
			states[r.Name] = fmt.Sprintf("%s %d", r.Health.State, r.Weight)
		}
	}
	return states
}

// become waits until the servers are in these states with these weights.
func (d *director) become(want map[string]string) {
	d.t.Helper()
	eventuallyLog(d, fmt.Sprintf("%s: the servers are %v", d.host.Name, want), func() bool {
		return fmt.Sprint(d.states()) == fmt.Sprint(want)
	})
}

// eventuallyLog is eventually with the director's status and log.
func eventuallyLog(d *director, what string, ok func() bool) {
	d.t.Helper()
	defer func() {
		if d.t.Failed() {
			d.t.Logf("status of %s:\n%s\nlog:\n%s", d.host.Name, labtest.Must(d.command("status").Output())(d.t), d.log)
		}
	}()
	eventually(d.t, what, ok)
}

// way is one way of forwarding that is checked through the VIP.
type way struct {
	name     string
	vip      netip.Addr
	v4       bool
	settings string
	prepare  func(rs *lab.Host, vip, own netip.Addr) error
}

var ways = []way{
	{"dr v4", lab.VIP4, true, `forwarding = "dr"`, takeVIP},
	{"dr v6", lab.VIP6, false, `forwarding = "dr"`, takeVIP},
	{"tun 4in4", lab.VIP4, true, `forwarding = "tun"`, takeIPIP},
	{"tun 6in6", lab.VIP6, false, `forwarding = "tun"`, takeIPIP},
}

func takeVIP(rs *lab.Host, vip, _ netip.Addr) error { return rs.TakeVIP(vip) }

func takeIPIP(rs *lab.Host, vip, own netip.Addr) error {
	return rs.TakeVIPByTunnel(lab.IPIP, vip, own)
}

// A real server that answers at its own address, but not for the VIP, is found by
// a check through the VIP and by no other; on the director that has the VIP and
// on the one that does not.
func TestCheckThroughVIP(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			l := labtest.New(t, lab.Topology{Directors: 2})
			servers := serve(t, l)
			labtest.NoError(t, w.prepare(servers[0], w.vip, address(servers[0], w.v4)))
			active, standby := l.Host("lb1"), l.Host("lb2")
			plain := start(t, active, vipTable(w.vip)+web(w.vip, w.settings, `type = "http"`, servers, w.v4))
			plain.become(map[string]string{"rs1": "up 1", "rs2": "up 1"})
			plain.stop()

			through := web(w.vip, w.settings, `type = "http", via = "vip"`, servers, w.v4)
			directors := []*director{start(t, active, vipTable(w.vip)+through), start(t, standby, through)}
			for _, d := range directors {
				d.become(map[string]string{"rs1": "up 1", "rs2": "down 0"})
			}
			for range 4 {
				if got := labtest.Get(t, l.Host("client"), labtest.URL(w.vip, webPort)); got != "rs1" {
					t.Errorf("%s answered", got)
				}
			}
			labtest.NoError(t, w.prepare(servers[1], w.vip, address(servers[1], w.v4)))
			for _, d := range directors {
				d.become(map[string]string{"rs1": "up 1", "rs2": "up 1"})
				d.settled()
			}
			helpersAreOurs(t, directors[0].status())
		})
	}
}

func helpersAreOurs(t *testing.T, s status.Status) {
	t.Helper()
	if len(s.Services) != 1 || s.Services[0].Virtual != "web" || len(s.Helpers) != 2 || !s.Helpers[0].Present {
		t.Errorf("services %+v\nhelpers %+v", s.Services, s.Helpers)
	}
}

// The detour takes nothing but the answers to checks, and goes with the checks.
func TestDetour(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	servers := serve(t, l)
	for _, rs := range servers {
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
	}
	lb := l.Host("lb1")
	labtest.NoError(t, lb.SetSysctl("net.ipv4.conf.all.rp_filter", "1"))
	check := func(via string) string {
		return vipTable(lab.VIP4) + web(lab.VIP4, `forwarding = "dr"`, `type = "tcp", via = "`+via+`"`, servers, true)
	}
	d := start(t, lb, check("vip"))
	d.become(map[string]string{"rs1": "up 1", "rs2": "up 1"})
	filters := func() string { return labtest.Run(t, lb, "tc", "filter", "show", "dev", "eth0", "ingress") }
	if n := strings.Count(filters(), "Ingress Redirect to device lo"); n != 1 {
		t.Errorf("%d detours, want one:\n%s", n, filters())
	}
	// What opens a connection does not take it: the kernel drops it as before.
	labtest.Must(lb.TCPEcho("0.0.0.0:7000"))(t)
	forged := forge(t, servers[0], netip.AddrPortFrom(lab.VIP4, 80), netip.AddrPortFrom(lb.V4, 7000))
	if got := labtest.Run(t, lb, "ss", "-Htan", "state", "syn-recv"); strings.Contains(got, ":7000") {
		t.Errorf("a connection from the VIP's port was taken: %s", got)
	}
	forged()
	d.write(check("server"))
	d.reload()
	if got := filters(); strings.Contains(got, "lo") {
		t.Errorf("the detour is left:\n%s", got)
	}
	if s := d.status(); len(s.Helpers) != 0 || len(s.Services) != 1 {
		t.Errorf("helpers %+v, services %+v", s.Helpers, s.Services)
	}
	d.become(map[string]string{"rs1": "up 1", "rs2": "up 1"})
}

// forge begins to connect from a host with an address that is another's, and
// gives a function that ends it.
func forge(t *testing.T, h *lab.Host, from, to netip.AddrPort) func() {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = h.Do(func() error {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from), Control: reuse}
			c, err := d.DialContext(ctx, "tcp", to.String())
			if err == nil {
				t.Errorf("%s connected to %s", from, to)
				c.Close()
			}
			return nil
		})
	}()
	time.Sleep(300 * time.Millisecond) // the packet must have come
	return func() {
		cancel()
		<-ended
	}
}

func reuse(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// Where it fails, bind says so.
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	})
}
