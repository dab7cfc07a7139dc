package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/status"
)

// guarded is the table [guard] of the director's front, with these further lines.
func guarded(lines ...string) string {
	return "[guard]\ninterfaces = \"eth0\"\n" + strings.Join(lines, "\n") + "\n\n"
}

// attacker is the host `outside`, which sends frames to the VIP.
type attacker struct {
	t        *testing.T
	host     *lab.Host
	from, to net.HardwareAddr
	n        int // frames so far
}

func newAttacker(t *testing.T, l *lab.Lab) *attacker {
	t.Helper()
	return &attacker{
		t: t, host: l.Host("outside"),
		from: labtest.Must(l.Host("outside").MAC("eth0"))(t),
		to:   labtest.Must(l.Host("lb1").MAC("eth0"))(t),
	}
}

// A weapon makes frame number i.
type weapon func(i int) lab.Frame

// The weapons. Sources are of 198.18.0.0/15, which is for such tests (RFC 2544).
func spoofed(i int) lab.Frame { return syn(i, i, webPort) }
func single(i int) lab.Frame  { return syn(i, 1<<16, webPort) }
func fragment(i int) lab.Frame {
	f := syn(i, 2<<16|i%8, webPort)
	f.ID, f.Fragment, f.Raw = uint16(i), 185, []byte("the rest of it")
	return f
}
func stray(i int) lab.Frame {
	f := syn(i, 3<<16|i%8, 0)
	f.UDP, f.Target = true, netip.AddrPortFrom(lab.VIP4, uint16(10000+i%1000))
	return f
}

// syn is a SYN of source number n.
func syn(i, n int, port uint16) lab.Frame {
	source := netip.AddrFrom4([4]byte{198, 18 + byte(n>>16&1), byte(n >> 8), byte(n)})
	if n >= 2<<16 {
		source = netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})
	}
	return lab.Frame{
		Source: netip.AddrPortFrom(source, uint16(1024+i%60000)), Target: netip.AddrPortFrom(lab.VIP4, port),
		Flags: lab.SYN, Sequence: uint32(i),
	}
}

// fire sends n frames, of each weapon in turn.
func (a *attacker) fire(rate, n int, weapons ...weapon) {
	a.t.Helper()
	err := a.host.SendFrames("eth0", rate, n, func(i int) []byte {
		f := weapons[i%len(weapons)](a.n + i)
		f.From, f.To = a.from, a.to
		return f.Bytes()
	})
	if err != nil {
		a.t.Error(err) // not the end of the test: this may be another goroutine
	}
	a.n += n
}

// pins is where the director's guard is pinned. Namespaces do not have a bpf file
// system of their own, so that what a test leaves there would outlast it.
func (d *director) pins() string {
	sum := sha256.Sum256([]byte(d.dir))
	return fmt.Sprintf("/sys/fs/bpf/lvsd/%s-%x", filepath.Base(d.dir), sum[:4])
}

// newGuarded is newDirector for a director with a guard.
func newGuarded(t *testing.T, host *lab.Host, config string) *director {
	t.Helper()
	d := newDirector(t, host, config)
	t.Cleanup(func() { os.RemoveAll(d.pins()) })
	return d
}

// startGuarded makes such a director and starts it.
func startGuarded(t *testing.T, host *lab.Host, config string) *director {
	t.Helper()
	d := newGuarded(t, host, config)
	d.start()
	return d
}

// link is the pinned link of the guard on the one interface.
func (d *director) link() string {
	d.t.Helper()
	links, err := filepath.Glob(d.pins() + "/links/*")
	if err != nil || len(links) != 1 {
		d.t.Fatalf("links: %q, %v", links, err)
	}
	return links[0]
}

// guard is the guard as the status has it.
func (d *director) guard() *status.Guard {
	d.t.Helper()
	g := d.status().Guard
	if g == nil {
		d.t.Fatalf("there is no guard; the log:\n%s", d.log)
	}
	return g
}

// decided is how many packets to the VIP each rule decided over, "" being all that
// were within limits.
func (d *director) decided() map[string]uint64 {
	d.t.Helper()
	all := map[string]uint64{}
	for _, v := range d.guard().VIPs {
		if v.VIP != lab.VIP4 {
			continue
		}
		all[""] = v.Passed.Packets + v.Dropped.Packets
		for _, r := range v.Reasons {
			all[r.Reason] = r.Passed + r.Dropped
			all[""] -= r.Passed + r.Dropped
		}
	}
	return all
}

// dropped is how many packets to the VIP were dropped.
func (d *director) dropped() (n uint64) {
	d.t.Helper()
	for _, v := range d.guard().VIPs {
		n += v.Dropped.Packets
	}
	return n
}

// since takes old numbers from new ones, and those of the allow list away: it is
// for the clients that are no attackers.
func since(now, then map[string]uint64) (by map[string]uint64, sum uint64) {
	by = map[string]uint64{}
	for reason, n := range now {
		if n -= then[reason]; n > 0 && reason != "allow list" {
			by[reason] = n
			sum += n
		}
	}
	return by, sum
}

// run runs a command of lvsd and gives what it says, on both its outputs.
func (d *director) lvsd(args ...string) (string, error) {
	c := d.command(args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.String(), err
}

func (d *director) must(args ...string) string {
	d.t.Helper()
	out, err := d.lvsd(args...)
	if err != nil {
		d.t.Fatalf("lvsd %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// attached holds that the guard is on the interface, or is not.
func (d *director) attached(name string, want bool) {
	d.t.Helper()
	out := labtest.Run(d.t, d.host, "ip", "-json", "link", "show", name)
	var links []struct{ XDP *json.RawMessage }
	labtest.NoError(d.t, json.Unmarshal([]byte(out), &links))
	if got := links[0].XDP != nil; got != want {
		d.t.Errorf("a program on %s: %t, want %t; the log:\n%s", name, got, want, d.log)
	}
}

// The guard follows the file in place, and goes when it is no longer there.
func TestGuardFollowsTheFile(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 2, Outside: true})
	for _, rs := range serve(t, l) {
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
	}
	d := newGuarded(t, l.Host("lb1"), guarded()+webConfig(1, 1))
	for _, want := range []string{
		"load guard", "guard 10.0.1.200: open tcp 80", "attach guard to eth0 (mode auto)",
	} {
		if ops := d.plan(); !slices.Contains(ops, want) {
			t.Fatalf("the first plan lacks %q:\n%s", want, strings.Join(ops, "\n"))
		}
	}
	d.start()
	d.settled()
	d.attached("eth0", true)
	labtest.Get(t, l.Host("client"), labtest.URL(lab.VIP4, webPort))

	list := filepath.Join(d.dir, "block")
	labtest.NoError(t, os.WriteFile(list, []byte("198.51.100.0/24\n"), 0o600))
	d.write(guarded("block = [\"203.0.113.7\"]", "block_files = ["+fmt.Sprintf("%q", list)+"]",
		"[guard.limit]", "source_syns = 100") + webConfig(1, 1) + "[virtual.web.guard]\nsource_syns = { rate = 20, burst = 40 }\n")
	want := []string{
		"change guard's block list: add 198.51.100.0/24 203.0.113.7/32",
		"guard 10.0.1.200: limit tcp 80 to 20 SYNs/s of one source burst 40, limit what has no port to 100 SYNs/s of one source",
	}
	if got := d.plan(); !slices.Equal(got, want) {
		t.Errorf("plan of a change: %q, want %q", got, want)
	}
	d.reload()
	d.settled()

	// Somebody detaches it: that is drift.
	drifts := d.log.count("drift repaired")
	detach(t, d.link())
	eventually(t, "the guard is attached again", func() bool { return d.log.count("drift repaired") > drifts })
	d.attached("eth0", true)

	d.write(webConfig(1, 1))
	d.reload()
	d.settled()
	d.attached("eth0", false)
	if _, err := os.Stat(d.pins()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %s: %v", d.pins(), err)
	}
}

// Very many networks are one line of the plan, and a change of few of them is the
// work of few.
func TestGuardManyNetworks(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1, Outside: true})
	d := newGuarded(t, l.Host("lb1"), "")
	list := filepath.Join(d.dir, "block")
	write := func(n, without int) {
		var b bytes.Buffer
		for i := range n {
			if i != without {
				fmt.Fprintf(&b, "100.%d.%d.%d\n", i>>16, i>>8&0xff, i&0xff)
			}
		}
		labtest.NoError(t, os.WriteFile(list+".new", b.Bytes(), 0o600))
		labtest.NoError(t, os.Rename(list+".new", list))
	}
	const many = 200_000
	write(many, 77)
	d.write(guarded("block_files = ["+fmt.Sprintf("%q", list)+"]") + webConfig(1))
	if ops := d.plan(); !slices.Contains(ops, fmt.Sprintf("change guard's block list: add %d prefixes", many-1)) {
		t.Errorf("plan:\n%s", strings.Join(ops, "\n"))
	}
	begin := time.Now()
	d.start()
	t.Logf("started with %d networks in %s", many-1, time.Since(begin))
	begin = time.Now()
	write(many, -1)
	eventually(t, "one network more", func() bool { return d.guard().Block == many })
	t.Logf("one more after %s", time.Since(begin))
	eventually(t, "the log tells of one change", func() bool { return d.log.count("change guard's block list: add 100.0.0.77/32") == 1 })
	d.settled()
}
