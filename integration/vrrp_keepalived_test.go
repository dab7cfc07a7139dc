package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// dialect is one way to speak VRRP.
type dialect struct {
	name       string
	version    int
	six        bool
	unicast    bool
	interval   string // of lvsd
	advert     string // of keepalived, in seconds
	lvsd       string // more lines of [vrrp.front]
	keepalived string // more lines of vrrp_instance
}

var dialects = []dialect{
	{name: "v3 multicast", version: 3, interval: "100ms", advert: "0.1"},
	{name: "v3 unicast", version: 3, unicast: true, interval: "100ms", advert: "0.1"},
	{name: "v3 multicast IPv6", version: 3, six: true, interval: "100ms", advert: "0.1"},
	{name: "v3 unicast IPv6", version: 3, six: true, unicast: true, interval: "100ms", advert: "0.1",
		lvsd: "min_ttl = 64"},
	{name: "v2 multicast", version: 2, interval: "1s", advert: "1"},
	{name: "v2 unicast with a password", version: 2, unicast: true, interval: "1s", advert: "1",
		lvsd: `password = "secret"`, keepalived: "authentication {\n auth_type PASS\n auth_pass secret\n}"},
}

func (d dialect) vip() netip.Prefix {
	if d.six {
		return netip.PrefixFrom(lab.VIP6, 64)
	}
	return netip.PrefixFrom(lab.VIP4, 24)
}

func (d dialect) addr(h *lab.Host) netip.Addr {
	if d.six {
		return h.V6
	}
	return h.V4
}

// ours is the configuration of lvsd with a priority, beside a peer.
func (d dialect) ours(priority int, peer *lab.Host) string {
	lines := d.lvsd + "\n"
	if d.unicast {
		lines += fmt.Sprintf("peers = [%q]\n", d.addr(peer))
	}
	return fmt.Sprintf("[director]\n\n[vrrp.front]\ninterface = \"eth0\"\nid = 51\nversion = %d\npriority = %d\ninterval = %q\nvips = [%q]\n%s",
		d.version, priority, d.interval, d.vip(), lines)
}

// theirs is the configuration of keepalived with a priority.
func (d dialect) theirs(priority int, self, peer *lab.Host) string {
	lines := d.keepalived + "\n"
	if d.unicast {
		lines += fmt.Sprintf("unicast_src_ip %s\nunicast_peer {\n %s\n}\n", d.addr(self), d.addr(peer))
	}
	if d.six {
		lines += "native_ipv6\n"
	}
	return fmt.Sprintf(`global_defs {
	vrrp_version %d
	vrrp_garp_master_delay 1
}
vrrp_instance front {
	state BACKUP
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int %s
	virtual_ipaddress {
		%s dev eth0
	}
	%s
}
`, d.version, priority, d.advert, d.vip(), lines)
}

// lvsd and keepalived elect one of them, the higher priority takes over, and a
// priority of 0 hands over at once; both ways round.
func TestKeepalived(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			l := labtest.New(t, lab.Topology{Directors: 2, RealServers: 1})
			one, two := l.Host("lb1"), l.Host("lb2")
			capture := startCapture(t, two)

			ours := startPlain(t, one, d.ours(100, two))
			ours.becomes("active", true)
			theirs, log := keepalived(t, two, d.theirs(150, two, one))
			has := func(h *lab.Host, want bool) func() bool {
				return func() bool { return carries(t, h, d.vip().Addr()) == want }
			}
			eventually(t, "keepalived preempts", has(two, true))
			ours.becomes("backup", false)

			labtest.NoError(t, theirs.Signal(15))
			ours.becomes("active", true)
			_ = theirs.Wait()

			theirs, log = keepalived(t, two, d.theirs(50, two, one))
			eventually(t, "keepalived is a backup", func() bool { return log.count("Entering BACKUP STATE") > 0 })
			ours.run("failover")
			eventually(t, "keepalived takes over", has(two, true))
			// Its lower priority is not preempted, because the hand-over was wanted.
			ours.becomes("backup", false)
			theirs.Kill()
			ours.becomes("active", true)

			_, log = keepalived(t, two, d.theirs(50, two, one))
			eventually(t, "keepalived is a backup", func() bool { return log.count("Entering BACKUP STATE") > 0 })
			ours.stop()
			eventually(t, "keepalived takes over", has(two, true))
			if has(one, true)() {
				t.Error("the VIP is left behind")
			}
			capture.check(t)
			if t.Failed() {
				t.Logf("keepalived:\n%s\nlvsd:\n%s", log, ours.log)
			}
		})
	}
}

// capture is what tshark saw.
type capture struct {
	cmd *lab.Cmd
	out *logBuffer
}

func startCapture(t *testing.T, h *lab.Host) *capture {
	t.Helper()
	c := h.Command(t.Context(), "tshark", "-l", "-n", "-i", "eth0", "-f", "proto 112 or ip6 proto 112",
		"-o", "vrrp.v3_checksum_as_in_v2:FALSE",
		"-T", "fields", "-e", "ip.src", "-e", "ipv6.src", "-e", "vrrp.version", "-e", "vrrp.prio", "-e", "vrrp.checksum.status",
		"-e", "_ws.malformed", "-e", "_ws.expert.message")
	out := &logBuffer{}
	c.Stdout, c.Stderr = out, out
	labtest.NoError(t, c.Start())
	t.Cleanup(c.Kill)
	eventually(t, "tshark captures", func() bool { return out.count("Capturing on") > 0 })
	return &capture{c, out}
}

// check holds that the packets of both sides were seen and are well-formed.
func (c *capture) check(t *testing.T) {
	t.Helper()
	_ = c.cmd.Signal(2)
	_ = c.cmd.Wait()
	seen := map[string]int{}
	for line := range strings.Lines(c.out.String()) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(fields) != 7 {
			continue
		}
		seen[fields[0]+fields[1]]++
		if fields[4] == "0" || fields[5] != "" {
			t.Errorf("tshark: %q", line)
		}
	}
	if len(seen) != 2 {
		t.Errorf("tshark has seen adverts from %v, want two senders:\n%s", seen, c.out)
	}
	t.Logf("adverts by sender: %v", seen)
}
