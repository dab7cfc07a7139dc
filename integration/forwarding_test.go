package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// The ports that every real server serves.
const (
	webPort  = 80
	altPort  = 8080
	udpPort  = 5000
	sctpPort = 6000
)

// serve starts every service on every real server.
func serve(t *testing.T, l *lab.Lab) []*lab.Host {
	t.Helper()
	servers := realServers(l)
	for _, rs := range servers {
		labtest.Must(rs.Web(":80"))(t)
		labtest.Must(rs.Web(":8080"))(t)
		labtest.Must(rs.UDPEcho(udpPort))(t)
		labtest.Must(rs.SCTPEcho(sctpPort))(t)
	}
	return servers
}

func realServers(l *lab.Lab) []*lab.Host {
	return slices.DeleteFunc(l.Hosts(), func(h *lab.Host) bool { return !strings.HasPrefix(h.Name, "rs") })
}

// address is a host's address in the family of the VIP, or in the other one.
func address(h *lab.Host, v4 bool) netip.Addr {
	if v4 {
		return h.V4
	}
	return h.V6
}

// reals writes the table of real servers, without ports.
func reals(name string, servers []*lab.Host, v4 bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[virtual.%s.real]\n", name)
	for _, rs := range servers {
		a := address(rs, v4).String()
		if !v4 {
			a = "[" + a + "]"
		}
		fmt.Fprintf(&b, "%s = %q\n", rs.Name, a)
	}
	return b.String()
}

// vipTable keeps the VIPs on the director's interface to the clients.
func vipTable(vips ...netip.Addr) string {
	var quoted []string
	for _, v := range vips {
		quoted = append(quoted, fmt.Sprintf("%q", netip.PrefixFrom(v, v.BitLen())))
	}
	return fmt.Sprintf("[vip]\neth0 = [%s]\n\n", strings.Join(quoted, ", "))
}

// services writes a web, a udp and an sctp service with the same settings and
// real servers. The udp service takes packets one by one where their answers do
// not need the director.
func services(vip netip.Addr, settings string, servers []*lab.Host, v4 bool) string {
	var b strings.Builder
	for _, s := range []struct {
		name, protocol string
		port           uint16
	}{{"web", "tcp", webPort}, {"echo", "udp", udpPort}, {"messages", "sctp", sctpPort}} {
		extra := ""
		if s.protocol == "udp" && !strings.Contains(settings, `"nat"`) {
			extra = "one_packet = true\n"
		}
		fmt.Fprintf(&b, "[virtual.%s]\nvip = %q\nprotocol = %q\nscheduler = \"rr\"\n%s%s\n%s\n",
			s.name, netip.AddrPortFrom(vip, s.port), s.protocol, settings, extra, reals(s.name, servers, v4))
	}
	return b.String()
}

// answered holds that every real server answers clients of the VIP by HTTP, UDP
// and SCTP, and that the client cannot tell it from one host.
func answered(t *testing.T, l *lab.Lab, vip netip.Addr) {
	t.Helper()
	client := l.Host("client")
	got := map[string]map[string]int{"http": {}, "udp": {}, "sctp": {}}
	for range 4 {
		got["http"][labtest.Get(t, client, labtest.URL(vip, webPort))]++
		// The client's socket is connected: an answer that is not the VIP's would not arrive.
		udp := labtest.Must(client.Dial(t.Context(), "udp", netip.AddrPortFrom(vip, udpPort).String()))(t)
		got["udp"][strings.Fields(labtest.Ask(t, udp, "ping"))[0]]++
		udp.Close()
		sctp := labtest.Must(client.DialSCTP(t.Context(), netip.AddrPortFrom(vip, sctpPort)))(t)
		got["sctp"][strings.Fields(labtest.Ask(t, sctp, "ping"))[0]]++
		sctp.Close()
	}
	for service, by := range got {
		for _, rs := range realServers(l) {
			if by[rs.Name] == 0 {
				t.Errorf("%s: %s answered none of 4 requests: %v", service, rs.Name, by)
			}
		}
	}
}

// works holds all that must be true of every way of forwarding.
func works(t *testing.T, l *lab.Lab, d *director, vip netip.Addr) {
	t.Helper()
	answered(t, l, vip)
	d.settled()
	agrees(t, d)
}

func TestNAT(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true, Outside: true})
	servers := serve(t, l)
	config := vipTable(lab.VIP4, lab.VIP6) +
		"[nat]\nmasquerade = [\"10.0.2.0/24\", \"fd00:2::/64\"]\n\n" +
		strings.ReplaceAll(services(lab.VIP4, "forwarding = \"nat\"\n", servers, true), "virtual.", "virtual.four-") +
		strings.ReplaceAll(services(lab.VIP6, "forwarding = \"nat\"\n", servers, false), "virtual.", "virtual.six-")
	d := start(t, l.Host("lb1"), config)
	t.Run("v4", func(t *testing.T) { works(t, l, d, lab.VIP4) })
	t.Run("v6", func(t *testing.T) { works(t, l, d, lab.VIP6) })
	t.Run("the server sees the client", func(t *testing.T) {
		got := labtest.Get(t, l.Host("client"), labtest.URL(lab.VIP4, webPort)+"remote")
		if want := l.Host("client").V4.String(); !strings.HasPrefix(got, want+":") {
			t.Errorf("the real server saw %s, want %s", got, want)
		}
	})
	outside := l.Host("outside")
	labtest.Must(outside.Web(":80"))(t)
	for _, v4 := range []bool{true, false} {
		t.Run(fmt.Sprintf("masquerade v4=%t", v4), func(t *testing.T) {
			got := labtest.Get(t, servers[0], labtest.URL(address(outside, v4), 80)+"remote")
			if want := address(l.Host("lb1"), v4); !strings.Contains(got, want.String()) {
				t.Errorf("outside saw %s, want the director's %s", got, want)
			}
		})
	}
}

func TestNATMapsPorts(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true})
	servers := serve(t, l)
	d := start(t, l.Host("lb1"), vipTable(lab.VIP4)+fmt.Sprintf(
		"[virtual.web]\nvip = \"%s:80\"\nforwarding = \"nat\"\n[virtual.web.real]\nrs1 = \"%s:%d\"\n",
		lab.VIP4, servers[0].V4, altPort))
	if got := labtest.Get(t, l.Host("client"), labtest.URL(lab.VIP4, 80)); got != "rs1" {
		t.Errorf("got %q from port 8080 of rs1", got)
	}
	d.settled()
}

// One-arm NAT: the real servers' way to the client does not lead through the
// director.
func TestOneArmNAT(t *testing.T) {
	l := labtest.New(t, lab.Topology{Router: true})
	servers := serve(t, l)
	config := vipTable(lab.VIP4, lab.VIP6)
	for i, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
		config += strings.ReplaceAll(services(vip, "forwarding = \"nat\"\nsnat = true\n", servers, i == 0),
			"virtual.", fmt.Sprintf("virtual.n%d-", i))
	}
	d := start(t, l.Host("lb1"), config)
	t.Run("v4", func(t *testing.T) { works(t, l, d, lab.VIP4) })
	t.Run("v6", func(t *testing.T) { works(t, l, d, lab.VIP6) })
	got := labtest.Get(t, l.Host("client"), labtest.URL(lab.VIP4, webPort)+"remote")
	if want := l.Host("lb1").V4.String(); !strings.HasPrefix(got, want+":") {
		t.Errorf("the real server saw %s, want the director's %s", got, want)
	}
}

func TestDR(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	servers := serve(t, l)
	for i, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
		t.Run(fmt.Sprintf("v%d", 4+2*i), func(t *testing.T) {
			for _, rs := range servers {
				labtest.NoError(t, rs.TakeVIP(vip))
			}
			d := start(t, l.Host("lb1"), vipTable(vip)+services(vip, "forwarding = \"dr\"\n", servers, i == 0))
			works(t, l, d, vip)
			d.stop()
		})
	}
}

func TestTUN(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	servers := serve(t, l)
	settings := map[lab.Tunnel]string{
		lab.IPIP: "tunnel = \"ipip\"\n",
		lab.GUE:  fmt.Sprintf("tunnel = { type = \"gue\", port = %d }\n", lab.GUEPort),
		lab.GRE:  "tunnel = \"gre\"\n",
	}
	for _, tunnel := range []lab.Tunnel{lab.IPIP, lab.GUE, lab.GRE} {
		for _, way := range []struct {
			name  string
			vip   netip.Addr
			real4 bool
		}{
			{name: "4in4", vip: lab.VIP4, real4: true},
			{name: "6in6", vip: lab.VIP6},
			{name: "4in6", vip: lab.VIP4},
			{name: "6in4", vip: lab.VIP6, real4: true},
		} {
			t.Run(string(tunnel)+"/"+way.name, func(t *testing.T) {
				for _, rs := range servers {
					labtest.NoError(t, rs.TakeVIPByTunnel(tunnel, way.vip, address(rs, way.real4)))
				}
				d := start(t, l.Host("lb1"), vipTable(way.vip)+
					services(way.vip, "forwarding = \"tun\"\n"+settings[tunnel], servers, way.real4))
				works(t, l, d, way.vip)
				d.stop()
			})
		}
	}
}

// A firewall mark takes two ports together: a client that is persistent meets
// the same server on both.
func TestMarkSpansTwoPorts(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 3})
	servers := serve(t, l)
	for _, rs := range servers {
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
	}
	lb := l.Host("lb1")
	labtest.NoError(t, lb.Script(t.Context(), fmt.Sprintf(
		"iptables -t mangle -A PREROUTING -d %s -p tcp -m multiport --dports 80,8080 -j MARK --set-mark 7", lab.VIP4)))
	d := start(t, lb, vipTable(lab.VIP4)+
		"[virtual.web]\nfwmark = 7\nfamily = \"ipv4\"\nforwarding = \"dr\"\npersistence = \"1m\"\n"+reals("web", servers, true))
	client := l.Host("client")
	first := labtest.Get(t, client, labtest.URL(lab.VIP4, webPort))
	for range 5 {
		for _, port := range []uint16{webPort, altPort} {
			if got := labtest.Get(t, client, labtest.URL(lab.VIP4, port)); got != first {
				t.Errorf("port %d: %s answered, before it was %s", port, got, first)
			}
		}
	}
	d.settled()
	agrees(t, d)
}

func TestPersistence(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 3})
	servers := serve(t, l)
	for _, rs := range servers {
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
	}
	d := start(t, l.Host("lb1"), vipTable(lab.VIP4)+fmt.Sprintf(
		"[virtual.web]\nvip = \"%s:80\"\nscheduler = \"rr\"\nforwarding = \"dr\"\n"+
			"persistence = { timeout = \"5m\", netmask = 24 }\n%s", lab.VIP4, reals("web", servers, true)))
	client := l.Host("client")
	first := labtest.Get(t, client, labtest.URL(lab.VIP4, webPort))
	for range 6 {
		if got := labtest.Get(t, client, labtest.URL(lab.VIP4, webPort)); got != first {
			t.Errorf("%s answered, before it was %s", got, first)
		}
	}
	d.settled()
	agrees(t, d)
	if got := d.status().Services[0]; got.Persistence != 300 || got.Netmask != 24 {
		t.Errorf("status: persistence %d s, netmask %d", got.Persistence, got.Netmask)
	}
}
