package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// sipPort is where the real servers answer datagrams, as if they spoke SIP.
const sipPort = 5060

// marked is the configuration of services by a firewall mark and with a persistence
// engine.
func marked(w wiring, i int, secret string) string {
	config, _, _ := strings.Cut(w.config(i), "[virtual.echo]")
	return strings.Replace(config, "peers", "sloppy = false\n"+secret+"peers", 1) + fmt.Sprintf(`
[virtual.mark]
fwmark = 7
forwarding = "dr"
scheduler = "rr"
persistence = "5m"
real.rs1 = "10.0.1.101"
real.rs2 = "10.0.1.102"

[virtual.sip]
vip = "%s:%d"
protocol = "udp"
forwarding = "dr"
scheduler = "rr"
persistence = { timeout = "5m", engine = "sip" }
real.rs1 = "10.0.1.101"
real.rs2 = "10.0.1.102"
`, lab.VIP4, sipPort)
}

// A push tells of connections by firewall mark and of persistence engines, so that
// the standby's kernel holds the same, with the same real servers.
func TestPushMarksAndEngines(t *testing.T) {
	w, secret := wirings[0], sharedSecret(t)
	l := w.build(t)
	for _, name := range []string{"rs1", "rs2"} {
		labtest.Must(l.Host(name).UDPEcho(sipPort))(t)
	}
	for _, name := range []string{"lb1", "lb2"} {
		labtest.Run(t, l.Host(name), "iptables", "-t", "mangle", "-A", "PREROUTING", "-d", lab.VIP4.String(), "-p", "tcp",
			"--dport", fmt.Sprint(echoTCP), "-j", "MARK", "--set-mark", "7")
	}
	one := startPlain(t, l.Host("lb1"), marked(w, 0, secret))
	one.becomes("active", true)
	const some = 20
	clients := dialLong(t, l.Host("client"), lab.VIP4, some)
	if n := clients.ask("before", 10*time.Second); n != some {
		t.Fatalf("%d of %d connections work", n, some)
	}
	calls := map[string]string{}
	for i := range 6 {
		id := fmt.Sprintf("call-%d@client", i)
		calls[id] = call(t, l.Host("client"), id)
	}
	two := startPlain(t, l.Host("lb2"), marked(w, 1, secret))
	two.becomes("backup", false)
	eventually(t, "the standby has asked", func() bool { return two.status().Sync.Got != nil })
	eventually(t, "the standby's kernel holds as much", func() bool { return two.status().Sync.Here == one.status().Sync.Here })
	want, got := connectionList(t, one.host), connectionList(t, two.host)
	t.Logf("%+v on both:\n%s", one.status().Sync.Here, strings.Join(got, "\n"))
	if !slices.Equal(got, want) {
		t.Errorf("the standby has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := one.status().Sync.Pushed.Left; n != 0 {
		t.Errorf("%d connections were left out", n)
	}

	labtest.NoError(t, one.host.Unplug("eth0", true))
	one.cmd.Kill()
	two.becomes("active", true)
	if n := clients.ask("after", 5*time.Second); n != some {
		t.Errorf("%d of %d connections by the mark survive", n, some)
	}
	for id, server := range calls {
		if got := call(t, l.Host("client"), id); got != server {
			t.Errorf("%s is answered by %s, was by %s", id, got, server)
		}
	}
}

// call sends a SIP request from a port of its own and tells who answers.
func call(t *testing.T, from *lab.Host, id string) string {
	t.Helper()
	c := labtest.Must(from.Dial(t.Context(), "udp", netip.AddrPortFrom(lab.VIP4, sipPort).String()))(t)
	defer c.Close()
	labtest.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err := fmt.Fprintf(c, "INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: %s\r\n\r\n", id)
	labtest.NoError(t, err)
	b := make([]byte, 2000)
	n, err := c.Read(b)
	labtest.NoError(t, err)
	name, _, _ := strings.Cut(string(b[:n]), " ")
	return name
}

// connectionList is the kernel's list without the times, sorted.
func connectionList(t *testing.T, h *lab.Host) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(labtest.Run(t, h, "cat", "/proc/net/ip_vs_conn")) {
		if words := strings.Fields(line); len(words) >= 9 && words[0] != "Pro" {
			all = append(all, strings.Join(slices.Delete(words, 8, 9), " "))
		}
	}
	slices.Sort(all)
	return all
}

// Two directors, each active for a VIP of its own, both with both daemons: one that
// starts late gets the connections of its own VIP back, and each survives the other.
func TestBothActive(t *testing.T) {
	w, secret := wirings[0], sharedSecret(t)
	l := w.build(t)
	second := lab.VIP4.Next()
	for _, name := range []string{"rs1", "rs2"} {
		labtest.NoError(t, l.Host(name).AddVIP("lo", second))
	}
	config := func(i int) string {
		config := strings.Replace(w.config(i), "peers", "sloppy = false\nmode = \"both\"\n"+secret+"peers", 1)
		config = strings.Replace(config, "vip = ", fmt.Sprintf("vip = [\"%s:%d\", ", second, echoTCP), 1)
		config = strings.Replace(config, "\nforwarding", "]\nforwarding", 1)
		return config + fmt.Sprintf("\n[vrrp.back]\ninterface = \"eth0\"\nid = 52\npriority = %d\ninterval = \"100ms\"\nvips = \"%s/32\"\n",
			100+50*i, second)
	}
	one := startPlain(t, l.Host("lb1"), config(0))
	one.becomes("active", true)
	eventually(t, "the first one has both VIPs", func() bool { return one.instance("back").State == "active" })
	const each = connections / 2
	front, back := dialLong(t, l.Host("client"), lab.VIP4, each), dialLong(t, l.Host("client"), second, each)
	if n := front.ask("before", 10*time.Second) + back.ask("before", 10*time.Second); n != connections {
		t.Fatalf("%d of %d connections work", n, connections)
	}
	two := startPlain(t, l.Host("lb2"), config(1))
	eventually(t, "the second one has its VIP", func() bool { return two.instance("back").State == "active" })
	eventually(t, "both hold all", func() bool {
		return one.status().Sync.Here.Connections == connections && two.status().Sync.Here.Connections == connections
	})
	n := front.ask("shared", 5*time.Second) + back.ask("shared", 5*time.Second)
	t.Logf("%d of %d connections go on when the second one has taken its VIP", n, connections)
	if n != connections {
		t.Errorf("%d of %d connections go on\nlb1:\n%s\nlb2:\n%s", n, connections, one.log, two.log)
	}
	labtest.NoError(t, one.host.Unplug("eth0", true))
	one.cmd.Kill()
	two.becomes("active", true)
	n = front.ask("after", 5*time.Second) + back.ask("after", 5*time.Second)
	t.Logf("%d of %d connections survive the death of the first one", n, connections)
	if n != connections {
		t.Errorf("%d of %d connections survive", n, connections)
	}
}
