package integration

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// The virtual routers' hardware addresses of the tests (RFC 9568 section 7.3).
const (
	mac4 = "00:00:5e:00:01:33"
	mac6 = "00:00:5e:00:02:33"
)

// rememberer is a client that knows where VIPs are, and hears whatever it is told.
type rememberer struct {
	t    *testing.T
	host *lab.Host
	wire *wire
}

func remember(t *testing.T, h *lab.Host) *rememberer {
	return &rememberer{t, h, listen(t, h, "eth0")}
}

// knows holds that the client finds a VIP at a hardware address, and has never
// been told another one.
func (r *rememberer) knows(vip netip.Addr, mac string) {
	r.t.Helper()
	conn := labtest.Must(r.host.Dial(r.t.Context(), "udp", netip.AddrPortFrom(vip, 9).String()))(r.t)
	defer conn.Close()
	var got net.HardwareAddr
	eventually(r.t, fmt.Sprintf("the client knows where %s is", vip), func() bool {
		_, _ = conn.Write([]byte("where are you?"))
		var err error
		got, err = r.host.Neighbour(vip)
		return err == nil && got != nil
	})
	if got.String() != mac {
		r.t.Errorf("the client finds %s at %s", vip, got)
	}
	for _, h := range r.wire.claims(vip) {
		if h.from.String() != mac {
			r.t.Errorf("%s has said that %s is its own", h.from, vip)
		}
	}
}

// interfaces are those of lvsd on a host.
func interfaces(t *testing.T, h *lab.Host) int {
	t.Helper()
	return strings.Count(labtest.Run(t, h, "ip", "-o", "link"), ": lvsd")
}

// With a virtual MAC, what clients know of a VIP stays right at a failover.
func TestVirtualMAC(t *testing.T) {
	l := newPairLab(t)
	extra := "virtual_mac = true\npreempt = false\n"
	six := fmt.Sprintf("\n[vrrp.six]\ninterface = \"eth0\"\nid = 51\ninterval = \"300ms\"\nvirtual_mac = true\npreempt = false\nvips = [\"%s/128\"]\n", lab.VIP6)
	e := election{interval: "300ms", extra: extra, more: six}
	one := startPlain(t, l.Host("lb1"), e.config(150))
	two := startPlain(t, l.Host("lb2"), e.config(100))
	one.becomes("active", true)
	two.becomes("backup", false)
	one.settled()
	two.settled()
	client := remember(t, l.Host("client"))
	clock := startTicker(t, client.host, lab.VIP4)
	serves := func(d, other *director) {
		t.Helper()
		d.becomes("active", true)
		want := func() bool {
			return d.instance("six").State == "active" && interfaces(t, d.host) == 2 && interfaces(t, other.host) == 0
		}
		for end := time.Now().Add(patience / 3); !want(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the interfaces are not on %s alone:\n%s%s\nits log:\n%s\nthe other's:\n%s", d.host.Name,
					labtest.Run(t, d.host, "ip", "-o", "link"), labtest.Run(t, other.host, "ip", "-o", "link"), d.log, other.log)
			}
		}
		clock.flows(t)
		client.knows(lab.VIP4, mac4)
		client.knows(lab.VIP6, mac6)
	}
	serves(one, two)
	if got := labtest.Get(t, client.host, labtest.URL(lab.VIP4, 80)); !strings.HasPrefix(got, "rs") {
		t.Errorf("got %q", got)
	}
	clock.reset()
	one.run("failover")
	serves(two, one)
	lost, _ := clock.lost()
	t.Logf("a hand-over: longest gap %s, %d ticks lost, the client itself was kept waiting for %s", clock.gap(), lost, clock.stall())
	clock.reset()
	labtest.NoError(t, two.host.Unplug("eth0", true))
	serves(one, two)
	t.Logf("a cut cable: longest gap %s", clock.gap())
	labtest.NoError(t, two.host.Unplug("eth0", false))
	two.becomes("backup", false)
	one.stop()
	serves(two, one)
	for _, h := range client.wire.heard() {
		if h.advert != nil && h.advert.Priority > 0 && h.from.String() == mac4 {
			return
		}
	}
	t.Error("no advert came from the virtual MAC")
}

// lvsd and keepalived with a virtual MAC take over from each other, and the client
// notices nothing.
func TestVirtualMACOfKeepalived(t *testing.T) {
	l := newPairLab(t)
	e := election{interval: "100ms", extra: "virtual_mac = true\n"}
	one := startPlain(t, l.Host("lb1"), e.config(100))
	one.becomes("active", true)
	client := remember(t, l.Host("client"))
	client.knows(lab.VIP4, mac4)
	// keepalived leaves it to the administrator that ARP does not ask in a VIP's name.
	labtest.NoError(t, l.Host("lb2").SetSysctl("net.ipv4.conf.all.arp_announce", "2"))
	for range 2 {
		theirs, log := keepalived(t, l.Host("lb2"), fmt.Sprintf(`global_defs {
	vrrp_version 3
}
vrrp_instance front {
	state BACKUP
	interface eth0
	use_vmac
	virtual_router_id 51
	priority 150
	advert_int 0.1
	virtual_ipaddress {
		%s/32
	}
}
`, lab.VIP4))
		one.becomes("backup", false)
		eventually(t, "keepalived has the VIP", func() bool {
			return strings.Contains(labtest.Run(t, l.Host("lb2"), "ip", "-o", "address"), " "+lab.VIP4.String()+"/")
		})
		client.knows(lab.VIP4, mac4)
		labtest.NoError(t, theirs.Signal(15))
		_ = theirs.Wait()
		one.becomes("active", true)
		client.knows(lab.VIP4, mac4)
		if t.Failed() {
			t.Logf("keepalived:\n%s\nlvsd:\n%s", log, one.log)
		}
	}
}
