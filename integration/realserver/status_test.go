package realserver

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// broken is a way to break a real server that was ready.
type broken struct {
	name   string
	way    string
	flags  string // further ones of status
	script string // on the server
	mend   string // on the server; "": another setup mends it
	want   string // in what status says
}

var breakages = []broken{
	{name: "the VIP is gone", way: "dr v4", script: "ip address del 10.0.1.200/32 dev lo",
		want: "MISS  address 10.0.1.200/32 on lo: it is not there"},
	{name: "the VIP on a real interface", way: "dr v4", script: "ip address add 10.0.1.200/24 dev eth0", mend: "ip address del 10.0.1.200/24 dev eth0",
		want: "VIP 10.0.1.200 is an address of eth0"},
	{name: "ARP is answered", way: "dr v4", script: "sysctl -qw net.ipv4.conf.all.arp_ignore=0\nsysctl -qw net.ipv4.conf.eth0.arp_ignore=0",
		want: "ARP for 10.0.1.200: this host answers on eth0"},
	{name: "a strict filter", way: "ipip v4", script: "sysctl -qw net.ipv4.conf.all.rp_filter=1\nsysctl -qw net.ipv4.conf.lvsd-ipip0.rp_filter=0",
		want: "MISS  sysctl net.ipv4.conf.lvsd-ipip0.rp_filter: net.ipv4.conf.lvsd-ipip0.rp_filter = 0, net.ipv4.conf.all.rp_filter = 1"},
	{name: "the tunnel is down", way: "gre v4", script: "ip link set lvsd-gre0 down", want: "lvsd-gre0 is down"},
	{name: "the tunnel is gone", way: "ipip v6", script: "ip link del lvsd-ip6tnl0", want: "lvsd-ip6tnl0 does not exist"},
	{name: "the port is closed", way: "gue v4", script: "ip fou del port 6080", want: "MISS  gue port 6080 of ipv4: it is closed"},
	{name: "the clamp is gone", way: "ipip v4", script: "iptables -t mangle -D OUTPUT -j LVSD-OUTPUT", want: "-A OUTPUT -j LVSD-OUTPUT: it is not there"},
	{name: "a firewall drops ipip", way: "ipip v4", script: "iptables -A INPUT -p 4 -j DROP", mend: "iptables -D INPUT -p 4 -j DROP",
		want: "protocol 4 to 10.0.1.101 on eth0: dropped by -A INPUT -p ipencap -j DROP"},
	{name: "a firewall drops gre", way: "gre v6", script: "ip6tables -A INPUT -p gre -j REJECT", mend: "ip6tables -D INPUT -p gre -j REJECT",
		want: "protocol 47 to fd00:1::101 on eth0: dropped by -A INPUT -p gre -j REJECT"},
	{name: "a firewall drops the VIP", way: "dr v4", flags: "--port 80", script: "iptables -A INPUT -d 10.0.1.200 -j DROP", mend: "iptables -D INPUT -d 10.0.1.200 -j DROP",
		want: "tcp port 80 to 10.0.1.200 on eth0: dropped by -A INPUT -d 10.0.1.200/32 -j DROP"},
	{name: "a policy drops all", way: "gue v4", script: "iptables -P INPUT DROP", mend: "iptables -P INPUT ACCEPT",
		want: "udp port 6080 to 10.0.1.101 on eth0: dropped by -P INPUT DROP"},
	{name: "no service", way: "dr v4", flags: "--port 81", mend: "true", want: "MISS  service at 10.0.1.200 tcp port 81: nothing listens"},
	{name: "the director is the gateway", way: "dr v4", flags: "--director 10.0.1.31", script: "ip route add default via 10.0.1.31", mend: "ip route del default",
		want: "MISS  route to the clients: via 10.0.1.31 on eth0"},
	{name: "the director is the gateway, by ARP", way: "dr v4", script: "ip route add default via 10.0.1.31", mend: "ip route del default",
		want: "which is also the gateway 10.0.1.31"},
	{name: "lo is down", way: "dr v4", script: "ip link set lo down", mend: "ip link set lo up", want: "the interface lo is down"},
}

func wayNamed(t *testing.T, name string) way {
	t.Helper()
	for _, w := range ways {
		if w.name == name {
			return w
		}
	}
	t.Fatalf("no way %q", name)
	return way{}
}

// Each broken set-up is named, and a setup mends what is the setup's own.
func TestStatusNamesWhatIsBroken(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	host := l.Host("rs1")
	labtest.NoError(t, host.Connect(lab.Front, "eth1")) // on which ARP can be asked
	labtest.Must(host.Web(":80"))(t)
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			rs, w := newServer(t, host), wayNamed(t, b.way)
			w.director(t, l.Host("lb1"), host)
			rs.do(w.setup())
			status := strings.TrimSpace(w.status() + " " + b.flags)
			labtest.NoError(t, rs.Script(t.Context(), b.script))
			out, code := rs.run(status)
			if code != 1 || !strings.Contains(out, b.want) || !strings.HasSuffix(out, "not ready\n") {
				t.Errorf("status: exit code %d, want 1 and %q\n%s", code, b.want, out)
			}
			if b.mend == "" {
				rs.do(w.setup())
			} else {
				labtest.NoError(t, rs.Script(t.Context(), b.mend))
			}
			if out, code := rs.run(w.status()); code != 0 {
				t.Errorf("status after mending: exit code %d\n%s", code, out)
			}
			rs.do("teardown")
		})
	}
}

// A second host that answers for the VIP is found by asking.
func TestStatusFindsAnotherServerThatAnswers(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	rs, w := newServer(t, l.Host("rs1")), wayNamed(t, "dr v4")
	w.director(t, l.Host("lb1"), rs.Host)
	rs.do(w.setup())
	labtest.NoError(t, l.Host("rs2").Script(t.Context(), "ip address add 10.0.1.200/32 dev lo"))
	out, code := rs.run(w.status())
	mac := labtest.Must(l.Host("rs2").MAC("eth0"))(t).String()
	if code != 1 || !strings.Contains(out, "several hosts answer") || !strings.Contains(out, mac) {
		t.Errorf("status: exit code %d\n%s", code, out)
	}
}

func TestStatusAsJSON(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	rs, w := newServer(t, l.Host("rs1")), wayNamed(t, "dr v4")
	for _, ready := range []bool{false, true} {
		if ready {
			rs.do(w.setup())
		}
		out, code := rs.run(w.status() + " --json")
		var got struct {
			Ready  bool
			Checks []struct{ Item, Found, Remedy string }
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || got.Ready != ready || (code == 0) != ready || len(got.Checks) == 0 {
			t.Errorf("ready=%t: exit code %d, %v\n%s", ready, code, err, out)
		}
	}
}

// With nat, the way of the answers is all there is to look at, and to set.
func TestNAT(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1, Router: true})
	lb, host := l.Host("lb1"), l.Host("rs1")
	labtest.NoError(t, lb.EnableForwarding())
	labtest.Must(host.Web(":80"))(t)
	for _, v4 := range []bool{true, false} {
		w := way{name: "nat", flags: "--forwarding nat", ipvs: "-m", v4: v4}
		rs := newServer(t, host)
		w.director(t, lb, host)
		before := rs.snapshot()
		flags := " --director " + w.address(lb).String()
		unanswered(t, l.Host("client"), w)
		if out, code := rs.run(w.status() + flags); code != 1 || !strings.Contains(out, "MISS  route to the clients: via") {
			t.Errorf("status before the setup: exit code %d\n%s", code, out)
		}
		if out := rs.do(w.setup() + flags); out != "nothing to change\n" {
			t.Errorf("a route was set that nobody asked for:\n%s", out)
		}
		rs.do(w.setup() + flags + " --set-route")
		if got := labtest.Get(t, l.Host("client"), labtest.URL(w.vip(), 80)); got != "rs1" {
			t.Errorf("%q answered", got)
		}
		if out, code := rs.run(w.status() + flags); code != 0 {
			t.Errorf("status: exit code %d\n%s", code, out)
		}
		rs.do("teardown")
		if after := rs.snapshot(); after != before {
			t.Errorf("the host after the teardown:\n%s\nbefore:\n%s", after, before)
		}
	}
}
