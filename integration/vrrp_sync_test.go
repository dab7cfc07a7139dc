package integration

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// echoTCP is where the real servers answer lines.
const echoTCP = 7000

// connections is how many long connections a test keeps.
const connections = 200

// long are connections that stay open and are used all the time.
type long struct {
	conns []net.Conn
}

func dialLong(t *testing.T, from *lab.Host, to netip.Addr, n int) *long {
	t.Helper()
	l := &long{}
	for range n {
		c := labtest.Must(from.Dial(t.Context(), "tcp", netip.AddrPortFrom(to, echoTCP).String()))(t)
		t.Cleanup(func() { c.Close() })
		l.conns = append(l.conns, c)
	}
	return l
}

// ask sends a line over each connection and tells how many answers came.
func (l *long) ask(line string, within time.Duration) int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	alive := 0
	for _, c := range l.conns {
		wg.Go(func() {
			_ = c.SetDeadline(time.Now().Add(within))
			if _, err := fmt.Fprintln(c, line); err != nil {
				return
			}
			answer, err := bufio.NewReader(c).ReadString('\n')
			if err == nil && strings.HasSuffix(strings.TrimSpace(answer), line) {
				mu.Lock()
				alive++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return alive
}

// wiring is a way of forwarding with all that it needs.
type wiring struct {
	name     string
	topology lab.Topology
	vips     string
	method   string
	real     string // the real servers' network
	vip      netip.Addr
	sync     string // interface of the sync daemon, and more of its table
	peer     [2]string
}

var wirings = []wiring{
	{
		name: "dr", topology: lab.Topology{Directors: 2}, vips: `"10.0.1.200/32"`, method: "dr", real: "10.0.1.", vip: lab.VIP4,
		sync: `"eth0"`, peer: [2]string{"10.0.1.32", "10.0.1.31"},
	},
	{
		name: "nat", topology: lab.Topology{Directors: 2, BehindDirector: true},
		vips:   `"10.0.1.200/32", { address = "10.0.2.254/24", interface = "eth1" }`,
		method: "nat", real: "10.0.2.", vip: lab.VIP4, sync: `"eth1"`, peer: [2]string{"10.0.2.32", "10.0.2.31"},
	},
	{
		name: "ipv6", topology: lab.Topology{Directors: 2}, vips: `"fd00:1::200/128"`, method: "dr", real: "fd00:1::", vip: lab.VIP6,
		sync: "\"eth0\"\ngroup = \"ff05::81\"", peer: [2]string{"fd00:1::32", "fd00:1::31"},
	},
}

func (w wiring) config(i int) string {
	return fmt.Sprintf(`[director]

[vrrp.front]
interface = "eth0"
id = 51
vips = [%s]
priority = %d
interval = "100ms"

[sync]
interface = %s
id = 51
peers = [%q]

[virtual.echo]
vip = %q
forwarding = %q
scheduler = "rr"
real.rs1 = %q
real.rs2 = %q
`, w.vips, 150-50*i, w.sync, w.peer[i], netip.AddrPortFrom(w.vip, echoTCP), w.method, w.realServer(101), w.realServer(102))
}

// realServer is the address of a real server with the port.
func (w wiring) realServer(number int) string {
	return netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprint(w.real, number)), echoTCP).String()
}

func (w wiring) build(t *testing.T) *lab.Lab {
	t.Helper()
	l := labtest.New(t, w.topology)
	for _, name := range []string{"rs1", "rs2"} {
		h := l.Host(name)
		if w.method == "dr" {
			labtest.NoError(t, h.TakeVIP(w.vip))
		} else {
			labtest.Run(t, h, "ip", "route", "replace", "default", "via", "10.0.2.254")
		}
		labtest.Must(h.TCPEcho(fmt.Sprintf(":%d", echoTCP)))(t)
	}
	return l
}

// Connections that are in use survive the death of the director that has opened
// them, and the way back.
func TestConnectionsSurvive(t *testing.T) {
	for _, w := range wirings {
		t.Run(w.name, func(t *testing.T) {
			l := w.build(t)
			secret := sharedSecret(t)
			asking := func(config string) string { return strings.Replace(config, "peers", secret+"peers", 1) }
			one := startPlain(t, l.Host("lb1"), asking(w.config(0)))
			two := startPlain(t, l.Host("lb2"), asking(w.config(1)))
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("lb1:\n%s\nlb2:\n%s", one.log, two.log)
				}
			})
			one.becomes("active", true)
			two.becomes("backup", false)
			eventually(t, "the master sends", func() bool { return daemonRuns(t, one.host, "master") })
			eventually(t, "the backup listens", func() bool { return daemonRuns(t, two.host, "backup") })

			clients := dialLong(t, l.Host("client"), w.vip, connections)
			for i := range 3 {
				if n := clients.ask(fmt.Sprint("before ", i), 10*time.Second); n != connections {
					t.Fatalf("%d of %d connections work", n, connections)
				}
			}
			eventually(t, "the standby has the connections", func() bool { return held(t, two.host) >= connections })

			labtest.NoError(t, one.host.Unplug("eth0", true))
			one.cmd.Kill()
			two.becomes("active", true)
			n := clients.ask("after", 20*time.Second)
			t.Logf("%d of %d connections in use survive the death of their director", n, connections)
			if n != connections {
				t.Errorf("%d of %d connections survive the death of their director", n, connections)
			}
			eventually(t, "the other one has become the master", func() bool { return daemonRuns(t, two.host, "master") })

			rebooted(t, one.host)
			one.start()
			one.becomes("active", true)
			two.becomes("backup", false)
			n = clients.ask("back again", 20*time.Second)
			t.Logf("%d of %d connections survive the way back", n, connections)
			if n != connections {
				t.Errorf("%d of %d connections survive the way back", n, connections)
			}
		})
	}
}

func daemonRuns(t *testing.T, h *lab.Host, role string) bool {
	t.Helper()
	return strings.Contains(labtest.Run(t, h, "ipvsadm", "-l", "--daemon"), role+" sync daemon")
}

// held is how many established connections a host's kernel has.
func held(t *testing.T, h *lab.Host) int {
	t.Helper()
	return strings.Count(labtest.Run(t, h, "ipvsadm", "-Lnc"), "ESTABLISHED")
}

// The kernel never sends idle connections to a standby that starts late: without a
// push none of them survives. With one, by hand or at the standby's own request, all
// do.
func TestIdleConnectionsArePushed(t *testing.T) {
	for _, tt := range []struct {
		how string
		wiring
	}{{"not", wirings[0]}, {"by hand", wirings[0]}, {"at the standby's request", wirings[0]}, {"at the standby's request", wirings[2]}} {
		how, w := tt.how, tt.wiring
		t.Run(how+" "+w.name, func(t *testing.T) {
			l := w.build(t)
			secret := ""
			if how == "at the standby's request" {
				secret = sharedSecret(t)
			}
			// Sloppy, a connection that nobody knows is balanced anew, and the wrong real
			// server resets it.
			strict := func(config string) string {
				return strings.Replace(config, "peers", "sloppy = false\n"+secret+"peers", 1)
			}
			one := startPlain(t, l.Host("lb1"), strict(w.config(0)))
			one.becomes("active", true)
			clients := dialLong(t, l.Host("client"), w.vip, connections)
			if n := clients.ask("before", 10*time.Second); n != connections {
				t.Fatalf("%d of %d connections work", n, connections)
			}
			if how == "not" {
				// The kernel holds its messages back for up to two seconds, to fill packets
				// (IPVS_SYNC_FLUSH_TIME, include/net/ip_vs.h): a standby that is quicker hears them.
				time.Sleep(3 * time.Second)
			}
			two := startPlain(t, l.Host("lb2"), strict(w.config(1)))
			two.becomes("backup", false)
			eventually(t, "the backup listens", func() bool { return daemonRuns(t, two.host, "backup") })
			want := 0
			switch {
			case how == "by hand":
				one.run("sync", "push")
				want = connections
			case secret != "":
				eventually(t, "the standby has asked", func() bool { return two.status().Sync.Got != nil })
				want = connections
				knowEachOther(t, one, two)
				unheard(t, l.Host("client"), w.peer[1])
			}
			if want > 0 {
				eventually(t, "the standby has the connections", func() bool { return held(t, two.host) >= connections })
			}
			t.Logf("pushed %s: the standby has %d of %d idle connections", how, held(t, two.host), connections)
			labtest.NoError(t, one.host.Unplug("eth0", true))
			one.cmd.Kill()
			two.becomes("active", true)
			n := clients.ask("after", 5*time.Second)
			t.Logf("pushed %s: %d of %d idle connections survive", how, n, connections)
			if n != want {
				t.Errorf("%d of %d idle connections survive, want %d\nlb1:\n%s\nlb2:\n%s", n, connections, want, one.log, two.log)
			}
			if secret == "" {
				return
			}
			// The way back: a director of higher priority that has booted anew takes over
			// only when it has the connections.
			rebooted(t, one.host)
			if n := held(t, one.host); n != 0 {
				t.Fatalf("a host that has booted anew has %d connections", n)
			}
			one.start()
			one.becomes("active", true)
			two.becomes("backup", false)
			n = clients.ask("back", 5*time.Second)
			t.Logf("pushed %s: %d of %d connections survive the way back", how, n, connections)
			if n != connections {
				t.Errorf("%d of %d connections survive the way back\nlb1:\n%s\nlb2:\n%s", n, connections, one.log, two.log)
			}
		})
	}
}

// rebooted makes of a host whose director was killed and whose link was cut one that
// has booted anew: without VIPs, services and connections.
func rebooted(t *testing.T, h *lab.Host) {
	t.Helper()
	for _, vip := range []string{"10.0.1.200/32 dev eth0", "10.0.2.254/24 dev eth1", "fd00:1::200/128 dev eth0"} {
		_, _ = h.Run(t.Context(), "ip", append([]string{"address", "del"}, strings.Fields(vip)...)...)
	}
	labtest.NoError(t, h.SetSysctl("net.ipv4.vs.expire_nodest_conn", "1"))
	labtest.Run(t, h, "ipvsadm", "-C")
	for _, role := range []string{"master", "backup"} {
		_, _ = h.Run(t.Context(), "ipvsadm", "--stop-daemon", role)
	}
	eventually(t, "its connections are gone", func() bool { return held(t, h) == 0 })
	labtest.NoError(t, h.Unplug("eth0", false))
}

// sharedSecret is the configuration of a secret that the directors share.
func sharedSecret(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	labtest.NoError(t, os.WriteFile(path, []byte("0123456789abcdef0123456789abcdef\n"), 0o600))
	return fmt.Sprintf("secret_file = %q\n", path)
}

// unheard holds that a host that is no peer cannot even connect to a director.
func unheard(t *testing.T, from *lab.Host, director string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if c, err := from.Dial(ctx, "tcp", net.JoinHostPort(director, "8864")); err == nil {
		c.Close()
		t.Errorf("%s can ask %s", from.Name, director)
	}
}

// knowEachOther waits until both sides show how many connections both hold, and
// that this is the same.
func knowEachOther(t *testing.T, active, standby *director) {
	t.Helper()
	eventually(t, "both know what both hold", func() bool {
		a, s := active.status().Sync, standby.status().Sync
		return a.Here.Connections == connections && s.Here.Connections == connections &&
			len(a.Peers) == 1 && a.Peers[0].Connections.Connections == connections && a.Peers[0].Backup && a.Peers[0].Apart == 0 &&
			len(s.Peers) == 1 && s.Peers[0].Connections.Connections == connections && s.Peers[0].Master && !s.Waiting
	})
	active.run("status")
	standby.run("status")
}
