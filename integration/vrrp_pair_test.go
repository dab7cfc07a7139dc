package integration

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/status"
)

// echoPort is where the real servers of the pairs answer datagrams.
const echoPort = 7

// election is an instance of the tests; priorities differ by director.
type election struct {
	interval string
	extra    string // more lines of [vrrp.front]
	more     string // more tables
}

// config is a director's configuration: the VIPs of the lab in front of the
// real servers, by direct routing.
func (e election) config(priority int) string {
	return fmt.Sprintf(`[director]
resync = "30s"

[vrrp.front]
interface = "eth0"
id = 51
vips = ["%s/32"]
priority = %d
interval = %q
%s
[virtual.echo]
vip = "%s:%d"
protocol = "udp"
scheduler = "rr"
real.rs1 = "10.0.1.101"
real.rs2 = "10.0.1.102"

[virtual.web]
vip = "%s:80"
real.rs1 = "10.0.1.101"
real.rs2 = "10.0.1.102"
%s`, lab.VIP4, priority, e.interval, e.extra, lab.VIP4, echoPort, lab.VIP4, e.more)
}

// newPairLab builds the lab of a pair of directors, with real servers that
// answer for the VIPs.
func newPairLab(t *testing.T) *lab.Lab {
	t.Helper()
	l := newQuietLab(t)
	for _, name := range []string{"rs1", "rs2"} {
		labtest.Must(l.Host(name).UDPEcho(echoPort))(t)
		labtest.Must(l.Host(name).Web(":80"))(t)
	}
	return l
}

// newQuietLab builds it with real servers that have the VIPs and answer nothing.
func newQuietLab(t *testing.T) *lab.Lab {
	t.Helper()
	l := labtest.New(t, lab.Topology{Directors: 2})
	for _, name := range []string{"rs1", "rs2"} {
		labtest.NoError(t, l.Host(name).TakeVIP(lab.VIP4, lab.VIP6))
	}
	return l
}

// plain writes a configuration whose resync time is the test's own.
func (d *director) plain(config string) {
	d.t.Helper()
	head := fmt.Sprintf("[director]\nname = %q\nstate_dir = %q\ndata_dir = %q\n", d.host.Name, d.dir, d.dir)
	labtest.NoError(d.t, os.WriteFile(d.config(), []byte(strings.Replace(config, "[director]\n", head, 1)), 0o600))
}

// startPlain starts a director with a configuration of its own.
func startPlain(t *testing.T, host *lab.Host, config string) *director {
	t.Helper()
	d := &director{t: t, host: host, dir: t.TempDir(), log: &logBuffer{}}
	d.plain(config)
	d.start()
	return d
}

// instance is the status of an instance.
func (d *director) instance(name string) status.VRRP {
	d.t.Helper()
	now, err := control.Dial(d.socket()).Status(d.t.Context())
	if err != nil {
		d.t.Fatalf("%v; the log:\n%s", err, d.log)
	}
	for _, v := range now.VRRP {
		if v.Name == name {
			return v
		}
	}
	d.t.Fatalf("no instance %s", name)
	return status.VRRP{}
}

// becomes waits until an instance is in a state and has, or has not, its VIPs.
func (d *director) becomes(state string, present bool) {
	d.t.Helper()
	end := time.Now().Add(patience)
	for {
		v := d.instance("front")
		ok := v.State == state
		for _, vip := range v.VIPs {
			ok = ok && vip.Present == present
		}
		if ok {
			return
		}
		if time.Now().After(end) {
			d.t.Fatalf("%s is not %s: %+v; its log:\n%s", d.host.Name, state, v, d.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// run runs a command of lvsd for a director.
func (d *director) run(args ...string) {
	d.t.Helper()
	c := d.command(args...)
	c.Stdout, c.Stderr = d.log, d.log
	labtest.NoError(d.t, c.Start())
	if err := c.Wait(); err != nil {
		d.t.Fatalf("%v; the log:\n%s", err, d.log)
	}
}

// keepalived runs Debian's keepalived on a host, with a configuration.
func keepalived(t *testing.T, h *lab.Host, config string) (*lab.Cmd, *logBuffer) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "keepalived.conf")
	labtest.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	c := h.Command(context.Background(), "keepalived", "--dont-fork", "--log-console", "--log-detail", "-f", path,
		"-p", dir+"/main.pid", "-r", dir+"/vrrp.pid", "-c", dir+"/check.pid")
	log := &logBuffer{}
	c.Stdout, c.Stderr = log, log
	labtest.NoError(t, c.Start())
	t.Cleanup(c.Kill)
	return c, log
}

// carries tells whether a host has an address.
func carries(t *testing.T, h *lab.Host, addr netip.Addr) bool {
	t.Helper()
	return strings.Contains(labtest.Run(t, h, "ip", "-o", "address", "show", "dev", "eth0"), " "+addr.String()+"/")
}
