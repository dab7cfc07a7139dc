package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
	l := labtest.New(t, lab.Topology{Directors: 2})
	for _, name := range []string{"rs1", "rs2"} {
		h := l.Host(name)
		labtest.NoError(t, h.TakeVIP(lab.VIP4, lab.VIP6))
		labtest.Must(h.UDPEcho(echoPort))(t)
		labtest.Must(h.Web(":80"))(t)
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

// ticker sends a datagram to the VIP every few milliseconds and keeps when the
// answers came.
type ticker struct {
	stopSending context.CancelFunc
	done        sync.WaitGroup
	mu          sync.Mutex
	sent        uint32
	first       uint32 // sent since the last reset
	sentAt      time.Time
	waited      time.Duration
	answers     []time.Time
	seen        map[uint32]bool
}

// tick is how often a ticker sends.
const tick = 5 * time.Millisecond

func startTicker(t *testing.T, from *lab.Host, to netip.Addr) *ticker {
	t.Helper()
	conn := labtest.Must(from.Dial(t.Context(), "udp", netip.AddrPortFrom(to, echoPort).String()))(t)
	ctx, stop := context.WithCancel(context.Background())
	k := &ticker{stopSending: stop, seen: map[uint32]bool{}}
	k.done.Go(func() {
		clock := time.NewTicker(tick)
		defer clock.Stop()
		for ; ctx.Err() == nil; <-clock.C {
			// An error is an answer that does not come.
			_, _ = conn.Write(binary.BigEndian.AppendUint32([]byte("tick"), k.next()))
		}
		time.Sleep(100 * time.Millisecond)
		conn.Close()
	})
	k.done.Go(func() {
		buffer := make([]byte, 512)
		for {
			n, err := conn.Read(buffer)
			if n >= 4 {
				k.mu.Lock()
				k.answers = append(k.answers, time.Now())
				k.seen[binary.BigEndian.Uint32(buffer[n-4:n])] = true
				k.mu.Unlock()
			}
			if err != nil && ctx.Err() != nil {
				return
			}
		}
	})
	t.Cleanup(func() { k.stop() })
	return k
}

func (k *ticker) next() uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if !k.sentAt.IsZero() {
		k.waited += max(now.Sub(k.sentAt)-2*tick, 0)
	}
	k.sent++
	k.sentAt = now
	return k.sent
}

// flows waits until answers come.
func (k *ticker) flows(t *testing.T) {
	t.Helper()
	count := func() int {
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.answers)
	}
	before := count()
	eventually(t, "answers from the VIP", func() bool { return count() > before+20 })
}

// reset forgets what has been.
func (k *ticker) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers, k.first, k.waited = []time.Time{time.Now()}, k.sent+1, 0
}

// lost is how many ticks since the last reset nobody has answered, and how many
// of them followed each other. Unlike the gap it does not grow when the client
// itself was kept waiting for the processor. The last ticks may be under way.
func (k *ticker) lost() (all, inRow int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	const underWay = uint32(20)
	row := 0
	for n := k.first; n+underWay <= k.sent; n++ {
		if k.seen[n] {
			row = 0
			continue
		}
		all, row = all+1, row+1
		inRow = max(inRow, row)
	}
	return all, inRow
}

// gap is the longest time without an answer.
func (k *ticker) gap() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	longest := time.Duration(0)
	for i := 1; i < len(k.answers); i++ {
		longest = max(longest, k.answers[i].Sub(k.answers[i-1]))
	}
	return longest
}

// stall is for how long the machine has kept the ticker from sending since the
// last reset.
func (k *ticker) stall() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.waited
}

// losesOne holds that a planned hand-over has lost no more than a tick, and those
// for which a busy machine kept everybody waiting.
func (k *ticker) losesOne(t *testing.T) {
	t.Helper()
	lost, row := k.lost()
	stall := k.stall()
	t.Logf("longest gap %s, %d ticks lost; the client itself was kept waiting for %s", k.gap(), lost, stall)
	if row > 1+int(stall/tick) {
		t.Errorf("%d ticks in a row were lost", row)
	}
}

// stop ends sending and gives how many datagrams were sent and answered.
func (k *ticker) stop() (sent, answered int) {
	k.stopSending()
	k.done.Wait()
	return int(k.sent), len(k.seen)
}
