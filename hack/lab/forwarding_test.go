package lab_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// The ports of the services that every real server in these tests runs.
const (
	webPort  = 80
	udpPort  = 5000
	sctpPort = 6000
)

// A way is one combination of forwarding method and address families.
type way struct {
	name   string
	vip    netip.Addr
	real4  bool       // the real servers are reached by IPv4
	tunnel lab.Tunnel // for TUN
	args   []string   // what ipvsadm needs for it
}

func TestNAT(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true, Outside: true})
	labtest.NoError(t, l.Host("lb1").EnableForwarding())
	serve(t, l)
	for _, w := range []way{
		{name: "v4", vip: lab.VIP4, real4: true, args: []string{"-m"}},
		{name: "v6", vip: lab.VIP6, args: []string{"-m"}},
	} {
		t.Run(w.name, func(t *testing.T) { testWay(t, l, w) })
	}
	t.Run("masquerade", func(t *testing.T) {
		outside, rs1 := l.Host("outside"), l.Host("rs1")
		labtest.Must(outside.Web(":80"))(t)
		url := labtest.URL(outside.V4, 80) + "remote"
		labtest.Run(t, l.Host("lb1"), "iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "10.0.2.0/24", "-o", "eth0", "-j", "MASQUERADE")
		host, _, _ := net.SplitHostPort(labtest.Get(t, rs1, url))
		if want := l.Host("lb1").V4.String(); host != want {
			t.Errorf("outside saw %s, want %s", host, want)
		}
	})
}

// One-arm NAT: the answers of the real servers do not pass the director by themselves, so it has to be the source of the requests too.
func TestOneArmNAT(t *testing.T) {
	l := labtest.New(t, lab.Topology{Router: true})
	lb := l.Host("lb1")
	labtest.NoError(t, lb.EnableForwarding())
	labtest.NoError(t, lb.SetSysctl("net.ipv4.vs.conntrack", "1"))
	for _, iptables := range []string{"iptables", "ip6tables"} {
		labtest.Run(t, lb, iptables, "-t", "nat", "-A", "POSTROUTING", "-m", "ipvs", "--ipvs", "--vmethod", "MASQ", "-j", "MASQUERADE")
	}
	serve(t, l)
	for _, w := range []way{
		{name: "v4", vip: lab.VIP4, real4: true, args: []string{"-m"}},
		{name: "v6", vip: lab.VIP6, args: []string{"-m"}},
	} {
		t.Run(w.name, func(t *testing.T) { testWay(t, l, w) })
	}
}

func TestDR(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	serve(t, l)
	for _, w := range []way{
		{name: "v4", vip: lab.VIP4, real4: true, args: []string{"-g"}},
		{name: "v6", vip: lab.VIP6, args: []string{"-g"}},
	} {
		t.Run(w.name, func(t *testing.T) {
			for _, rs := range realServers(l) {
				labtest.NoError(t, rs.TakeVIP(w.vip))
			}
			testWay(t, l, w)
			testOnlyDirectorAnswers(t, l, w.vip)
		})
	}
}

func TestTUN(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	serve(t, l)
	for _, tunnel := range []lab.Tunnel{lab.IPIP, lab.GUE, lab.GRE} {
		args := []string{"-i", "--tun-type", string(tunnel)}
		if tunnel == lab.GUE {
			args = append(args, "--tun-port", strconv.Itoa(lab.GUEPort))
		}
		for _, w := range []way{
			{name: "4in4", vip: lab.VIP4, real4: true},
			{name: "6in6", vip: lab.VIP6},
			{name: "4in6", vip: lab.VIP4},
			{name: "6in4", vip: lab.VIP6, real4: true},
		} {
			w.tunnel, w.args = tunnel, args
			t.Run(fmt.Sprintf("%s %s", tunnel, w.name), func(t *testing.T) {
				for _, rs := range realServers(l) {
					labtest.NoError(t, rs.TakeVIPByTunnel(tunnel, w.vip, w.real(rs)))
				}
				testWay(t, l, w)
			})
		}
	}
}

// serve starts the services on every real server.
func serve(t *testing.T, l *lab.Lab) {
	t.Helper()
	for _, rs := range realServers(l) {
		labtest.Must(rs.Web(":80"))(t)
		labtest.Must(rs.UDPEcho(udpPort))(t)
		labtest.Must(rs.SCTPEcho(sctpPort))(t)
	}
}

func realServers(l *lab.Lab) []*lab.Host { return []*lab.Host{l.Host("rs1"), l.Host("rs2")} }

func (w way) real(rs *lab.Host) netip.Addr {
	if w.real4 {
		return rs.V4
	}
	return rs.V6
}

// testWay sets up the director with ipvsadm and expects every real server to answer over TCP, UDP and SCTP.
func testWay(t *testing.T, l *lab.Lab, w way) {
	lb := l.Host("lb1")
	// A port of the client's may come again that another way has used, and the kernel still knows the server of then.
	labtest.NoError(t, lb.SetSysctl("net.ipv4.vs.expire_nodest_conn", "1"))
	labtest.NoError(t, lb.AddVIP("eth0", w.vip))
	t.Cleanup(func() {
		// The test's own context has ended by now.
		labtest.Must(lb.Run(context.Background(), "ipvsadm", "-C"))(t)
		labtest.NoError(t, lb.DelAddr("eth0", netip.PrefixFrom(w.vip, w.vip.BitLen())))
	})
	var rules strings.Builder
	for _, s := range []struct {
		flag string
		port uint16
	}{{"-t", webPort}, {"-u", udpPort}, {"--sctp-service", sctpPort}} {
		vip := netip.AddrPortFrom(w.vip, s.port)
		fmt.Fprintf(&rules, "ipvsadm -A %s %s -s rr\n", s.flag, vip)
		for _, rs := range realServers(l) {
			fmt.Fprintf(&rules, "ipvsadm -a %s %s -r %s %s\n", s.flag, vip, netip.AddrPortFrom(w.real(rs), s.port), strings.Join(w.args, " "))
		}
	}
	labtest.NoError(t, lb.Script(t.Context(), rules.String()))

	client := l.Host("client")
	expectBoth(t, "tcp", func() string { return labtest.Get(t, client, labtest.URL(w.vip, webPort)) })
	testLarge(t, client, labtest.URL(w.vip, webPort))
	expectBoth(t, "udp", func() string {
		c := labtest.Must(client.Dial(t.Context(), "udp", netip.AddrPortFrom(w.vip, udpPort).String()))(t)
		defer c.Close()
		return labtest.Ask(t, c, "hello")
	})
	expectBoth(t, "sctp", func() string {
		c := labtest.Must(client.DialSCTP(t.Context(), netip.AddrPortFrom(w.vip, sctpPort)))(t)
		defer c.Close()
		return labtest.Ask(t, c, "hello")
	})
}

// testLarge moves a body of many segments in both directions: offloads and path MTU have to be right.
func testLarge(t *testing.T, client *lab.Host, url string) {
	t.Helper()
	const size = 2_000_000
	if got := len(labtest.Get(t, client, fmt.Sprintf("%sbytes?n=%d", url, size))); got != size {
		t.Errorf("downloaded %d bytes, want %d", got, size)
	}
	resp, err := client.HTTPClient().Post(url+"upload", "text/plain", strings.NewReader(strings.Repeat("x", size)))
	labtest.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	labtest.NoError(t, err)
	if got := strings.TrimSpace(string(body)); got != strconv.Itoa(size) {
		t.Errorf("uploaded %s bytes, want %d", got, size)
	}
}

// expectBoth asks four times and expects two answers of each real server.
func expectBoth(t *testing.T, protocol string, ask func() string) {
	t.Helper()
	got := map[string]int{}
	for range 4 {
		name, _, _ := strings.Cut(ask(), " ")
		got[name]++
	}
	if got["rs1"] != 2 || got["rs2"] != 2 {
		t.Errorf("%s: answers %v, want 2 of rs1 and 2 of rs2", protocol, got)
	}
}

// testOnlyDirectorAnswers makes the client ask anew who has the VIP.
func testOnlyDirectorAnswers(t *testing.T, l *lab.Lab, vip netip.Addr) {
	client := l.Host("client")
	want := labtest.Must(l.Host("lb1").MAC("eth0"))(t)
	for range 5 {
		labtest.NoError(t, client.FlushNeighbours())
		labtest.Get(t, client, labtest.URL(vip, webPort))
		if got := labtest.Must(client.Neighbour(vip))(t); got.String() != want.String() {
			t.Fatalf("the client found %s at %s, want the director's %s", vip, got, want)
		}
	}
}
