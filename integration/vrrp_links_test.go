package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// Adverts go over two links: silence on one is nothing, silence on both is death.
func TestSilenceOnAllLinks(t *testing.T) {
	l := labtest.New(t, lab.Topology{Directors: 2, RealServers: 1})
	labtest.NoError(t, l.AddNetwork("second"))
	for i, name := range []string{"lb1", "lb2"} {
		labtest.NoError(t, l.Host(name).Connect("second", "eth9", netip.MustParsePrefix(fmt.Sprintf("10.0.9.%d/24", i+1))))
	}
	config := func(priority int) string {
		return fmt.Sprintf("[director]\n\n[vrrp.front]\ninterface = \"eth0\"\nid = 51\nvips = \"%s/32\"\npriority = %d\n"+
			"interval = \"300ms\"\nwarn_time = \"600ms\"\nlinks = [\"eth9\"]\n", lab.VIP4, priority)
	}
	one, two := startPlain(t, l.Host("lb1"), config(150)), startPlain(t, l.Host("lb2"), config(100))
	one.becomes("active", true)
	two.becomes("backup", false)
	const dead = 1083 * time.Millisecond // three intervals and the skew of priority 100
	deaf := func(add string) {           // the adverts on the first link do not arrive any more
		labtest.Run(t, two.host, "iptables", add, "INPUT", "-i", "eth0", "-p", "112", "-j", "DROP")
	}
	stays := func(what string) {
		t.Helper()
		time.Sleep(3 * dead)
		if n := two.log.count("to=active"); n > 0 {
			t.Fatalf("%s: the standby took over; its log:\n%s", what, two.log)
		}
	}
	deaf("-A")
	stays("nothing is heard on eth0")
	deaf("-D")
	labtest.NoError(t, two.host.Unplug("eth9", true))
	stays("eth9 is cut")
	two.becomes("backup", false)
	deaf("-A")
	two.becomes("active", true)
	if two.log.count("kind=late") == 0 {
		t.Errorf("nobody was warned of the silence; the log:\n%s", two.log)
	}
	eventually(t, "the other director, which hears it, tells of a split brain", func() bool {
		return one.log.count(`kind="split brain"`) == 1
	})
	deaf("-D")
	two.becomes("backup", false)
	one.becomes("active", true)
	labtest.NoError(t, two.host.Unplug("eth9", false))
	stopped := two.log.count("to=active")
	time.Sleep(3 * dead)
	if n := two.log.count("to=active"); n != stopped {
		t.Errorf("the standby took over again; its log:\n%s", two.log)
	}
}

// A director that starts takes nobody for dead before the initial dead time is
// over, and waits no longer for a director that it hears.
func TestInitialDeadTime(t *testing.T) {
	l := labtest.New(t, lab.Topology{Directors: 2, RealServers: 1})
	config := func(priority int, more string) string {
		return fmt.Sprintf("[director]\n\n[vrrp.front]\ninterface = \"eth0\"\nid = 51\nvips = \"%s/32\"\npriority = %d\ninterval = \"100ms\"\n%s",
			lab.VIP4, priority, more)
	}
	const initial = 2 * time.Second
	w := listen(t, l.Host("client"), "eth0")
	begin := time.Now()
	one := startPlain(t, l.Host("lb1"), config(100, fmt.Sprintf("initial_dead_time = %q\n", initial)))
	if first := w.next(t, one.host.V4).Sub(begin); first < initial {
		t.Errorf("active after %s", first)
	}
	begin = time.Now()
	two := startPlain(t, l.Host("lb2"), config(150, `initial_dead_time = "1h"`+"\n"))
	two.becomes("active", true)
	t.Logf("preempted after %s", time.Since(begin))
}

// A peer to which there is no route, as after a router's failure, is one that hears
// nothing: the others go on hearing, and nobody is at fault.
func TestPeerWithoutRoute(t *testing.T) {
	l := labtest.New(t, lab.Topology{Directors: 2, RealServers: 1})
	config := func(priority int, peers ...string) string {
		return fmt.Sprintf("[director]\n\n[vrrp.front]\ninterface = \"eth0\"\nid = 51\nvips = \"%s/32\"\npriority = %d\ninterval = \"300ms\"\npeers = [\"%s\"]\n",
			lab.VIP4, priority, strings.Join(peers, `", "`))
	}
	far := "198.51.100.7"
	if out, err := l.Host("lb1").Run(t.Context(), "ip", "route", "get", far); err == nil {
		t.Fatalf("there is a route: %s", out)
	}
	one := startPlain(t, l.Host("lb1"), config(150, far, l.Host("lb2").V4.String()))
	two := startPlain(t, l.Host("lb2"), config(100, l.Host("lb1").V4.String()))
	one.becomes("active", true)
	two.becomes("backup", false)
	w := listen(t, l.Host("lb2"), "eth0")
	for range 5 { // longer than the dead time
		w.next(t, one.host.V4)
	}
	if one.log.count("fault") > 0 || two.log.count("to=active") > 0 {
		t.Errorf("the log of lb1:\n%s\nthat of lb2:\n%s", one.log, two.log)
	}
}
