package edges

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Masquerading the networks of the real servers and of the VIP itself leaves
// LVS-NAT alone, whether or not IPVS tracks connections: the server sees the
// client, the client sees the VIP (its connection would fail otherwise), and a
// tracked connection is one entry, confirmed and answered.
func TestMasqueradeLeavesNATAlone(t *testing.T) {
	variant(t)
	l := labtest.New(t, lab.Topology{BehindDirector: true, Router: true, RealServers: 1})
	lb, rs, client := l.Host("lb1"), l.Host("rs1"), l.Host("client")
	labtest.NoError(t, lb.EnableForwarding())
	labtest.Must(rs.Web(":80"))(t)
	f, rules := firewall.New(), map[lvs.Rule]int{}
	for _, p := range []string{"10.0.1.0/24", "10.0.2.0/24", "fd00:1::/64", "fd00:2::/64"} {
		for _, r := range lvs.Masquerade(netip.MustParsePrefix(p)) {
			rules[r]++
		}
	}
	for r := range rules {
		labtest.NoError(t, lb.Do(func() error { return f.Add(r) }))
	}
	for _, way := range []struct{ vip, real, client netip.Addr }{{lab.VIP4, rs.V4, client.V4}, {lab.VIP6, rs.V6, client.V6}} {
		labtest.NoError(t, lb.AddAddr("eth0", netip.PrefixFrom(way.vip, way.vip.BitLen())))
		vip := netip.AddrPortFrom(way.vip, 80)
		labtest.NoError(t, lb.Script(t.Context(), fmt.Sprintf(
			"ipvsadm -A -t %s -s rr\nipvsadm -a -t %s -r %s -m", vip, vip, netip.AddrPortFrom(way.real, 80))))
		for _, tracking := range []string{"0", "1"} {
			t.Run(fmt.Sprintf("%s conntrack=%s", vip, tracking), func(t *testing.T) {
				labtest.NoError(t, lb.SetSysctl("net.ipv4.vs.conntrack", tracking))
				c := labtest.Must(client.Dial(t.Context(), "tcp", vip.String()))(t)
				defer c.Close()
				from := c.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort()
				if _, err := fmt.Fprintf(c, "GET /remote HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if answer := labtest.Ask(t, c, ""); !strings.Contains(answer, from.String()) {
					t.Errorf("the server does not see %s:\n%s", from, answer)
				}
				checkTracked(t, lb, from.Port(), tracking == "1")
			})
		}
	}
}

// checkTracked holds that connection tracking knows the connection from a port
// once, as an answered one, or not at all.
func checkTracked(t *testing.T, lb *lab.Host, port uint16, want bool) {
	t.Helper()
	var entries []string
	for line := range strings.Lines(labtest.Run(t, lb, "cat", "/proc/net/nf_conntrack")) {
		if strings.Contains(line, fmt.Sprintf(" sport=%d ", port)) {
			entries = append(entries, line)
		}
	}
	if !want && len(entries) != 0 {
		t.Errorf("tracked although IPVS does not ask for it: %q", entries)
	}
	if want && (len(entries) != 1 || !strings.Contains(entries[0], "[ASSURED]")) {
		t.Errorf("got %q, want one entry that is assured", entries)
	}
}

// A service of a mark has no address to match by: its packets are known by the
// mark, which they still carry when the source is rewritten.
func TestSNATOfAMark(t *testing.T) {
	variant(t)
	l := labtest.New(t, lab.Topology{Router: true, RealServers: 1})
	lb, rs := l.Host("lb1"), l.Host("rs1")
	labtest.NoError(t, lb.EnableForwarding())
	labtest.NoError(t, lb.SetSysctl("net.ipv4.vs.conntrack", "1"))
	labtest.Must(rs.Web(":80"))(t)
	for _, way := range []struct {
		vip, real  netip.Addr
		director   string // its network: with IPv6 the kernel may choose the VIP itself
		key        lvs.ServiceKey
		tool, mark string
	}{
		{lab.VIP4, rs.V4, "10.0.1.", lvs.MarkKey(7, lvs.IPv4), "iptables", "-f 7"},
		{lab.VIP6, rs.V6, "[fd00:1::", lvs.MarkKey(7, lvs.IPv6), "ip6tables", "-f 7 -6"},
	} {
		t.Run(way.key.String(), func(t *testing.T) {
			labtest.NoError(t, lb.AddAddr("eth0", netip.PrefixFrom(way.vip, way.vip.BitLen())))
			labtest.NoError(t, lb.Script(t.Context(), fmt.Sprintf(
				"%s -t mangle -A PREROUTING -d %s -j MARK --set-mark 7\nipvsadm -A %s -s rr\nipvsadm -a %s -r %s -m",
				way.tool, way.vip, way.mark, way.mark, netip.AddrPortFrom(way.real, 0))))
			labtest.NoError(t, lb.Do(func() error {
				f := firewall.New()
				rules := lvs.SNAT("web", way.key)
				return errors.Join(f.Add(rules[0]), f.Add(rules[1]))
			}))
			got := labtest.Get(t, l.Host("client"), labtest.URL(way.vip, 80)+"remote")
			if !strings.HasPrefix(got, way.director) {
				t.Errorf("the server saw %s, want the director", got)
			}
		})
	}
}
