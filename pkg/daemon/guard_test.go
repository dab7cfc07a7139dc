package daemon

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

const guardTable = "[guard]\ninterfaces = \"eth0\"\n"

// blocked is the guard's list in the kernel.
func (r *running) blocked() string {
	r.t.Helper()
	g, err := r.guard.Observe(nil)
	must(r.t, err)
	if g == nil {
		return "no guard"
	}
	return g.Block.String()
}

func TestGuardBlocks(t *testing.T) {
	r := start(t, web(guardTable, "rs1"))
	c := control.Dial(r.socket())
	network := netip.MustParsePrefix("198.51.100.0/24")
	must(t, c.Block(t.Context(), network, 0))
	if got := r.blocked(); got != "198.51.100.0/24" {
		t.Errorf("blocked: %s", got)
	}
	must(t, c.Block(t.Context(), netip.MustParsePrefix("2001:db8::/32"), time.Second))
	g := r.status().Guard
	if len(g.Commanded) != 2 || g.Block != 2 || g.Commanded[1].By == "" || g.Commanded[1].Until.IsZero() {
		t.Errorf("status: %+v", g)
	}
	eventually(t, "one ends", func() bool { return r.blocked() == "198.51.100.0/24" })
	must(t, c.Unblock(t.Context(), network))
	if got := r.blocked(); got != "0 prefixes" {
		t.Errorf("at last: %s", got)
	}
	must(t, c.Block(t.Context(), network, 0))
	r.write(web("", "rs1"))
	must(t, r.reload())
	if got := r.blocked(); got != "no guard" {
		t.Errorf("without [guard]: %s", got)
	}
	if err := c.Block(t.Context(), network, 0); err == nil || !strings.Contains(err.Error(), "the configuration has no [guard]") {
		t.Errorf("block without [guard]: %v", err)
	}
	if g := r.status().Guard; g != nil {
		t.Errorf("status without [guard]: %+v", g)
	}
}

// A list is read when it changes; what is wrong with it is told, and changes
// nothing.
func TestGuardLists(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list")
	write := func(text string) {
		must(t, os.WriteFile(list+".new", []byte(text), 0o600))
		must(t, os.Rename(list+".new", list))
	}
	r := start(t, web(guardTable+"block_files = \""+list+"\"\n", "rs1"))
	if g := r.status().Guard; len(g.Problems) != 1 || g.Problems[0] != "read the list "+list+": no such file or directory" {
		t.Errorf("problems: %q", g.Problems)
	}
	write("10.0.0.0/8")
	eventually(t, "the list", func() bool { return r.blocked() == "10.0.0.0/8" })
	write("10.0.0.0/8\nnobody")
	eventually(t, "the error", func() bool { return len(r.status().Guard.Problems) == 1 })
	_, err := control.Dial(r.socket()).Reload(t.Context())
	must(t, err)
	if got := r.blocked(); got != "10.0.0.0/8" {
		t.Errorf("after an error: %s", got)
	}
	write("192.0.2.9")
	eventually(t, "the new list", func() bool { return r.blocked() == "192.0.2.9/32" })
	if g := r.status().Guard; len(g.Problems) != 0 {
		t.Errorf("problems: %q", g.Problems)
	}
}

// What the daemon cannot do about the guard it says, and all else is done.
func TestGuardThatFails(t *testing.T) {
	r := start(t, web("", "rs1"))
	r.guard.Set(func() {
		r.guard.Fail = func(op string) error {
			if op == "load" {
				return errors.New("load guard: this kernel cannot")
			}
			return nil
		}
	})
	r.write(web(guardTable, "rs1", "rs2"))
	done, err := control.Dial(r.socket()).Reload(t.Context())
	must(t, err)
	if len(done.Errors) != 1 || done.Errors[0] != "load guard: this kernel cannot" || done.Operations != 1 {
		t.Errorf("reload: %+v", done)
	}
	if !strings.Contains(r.table.String(), "10.0.0.2:80") {
		t.Errorf("the server was not added:\n%s", r.table)
	}
	if g := r.status().Guard; g.Loaded || len(g.Interfaces) != 1 || g.Interfaces[0].Mode != "" {
		t.Errorf("status: %+v", g)
	}
	if got := r.status().Guard.Error; got != "load guard: this kernel cannot" {
		t.Errorf("the reason: %q", got)
	}
	err = control.Dial(r.socket()).Block(t.Context(), netip.MustParsePrefix("10.0.0.0/8"), 0)
	if err == nil || !strings.Contains(err.Error(), "it is noted, but the guard does not do it yet: load guard: waits to be tried again") {
		t.Errorf("block: %v", err)
	}
	if got := r.status().Guard.Error; got != "load guard: this kernel cannot" {
		t.Errorf("the reason while it waits to be tried again: %q", got)
	}
	r.guard.Set(func() { r.guard.Fail = nil })
	_, err = control.Dial(r.socket()).Reload(t.Context())
	must(t, err)
	eventually(t, "it is loaded after all", func() bool { g := r.status().Guard; return g.Loaded && g.Error == "" })
}

func TestGuardTells(t *testing.T) {
	vip := netip.MustParseAddr("192.0.2.1")
	r := start(t, web(guardTable, "rs1"))
	r.guard.Set(func() {
		r.guard.Talking = []lvs.GuardTalker{{VIP: vip, Source: netip.MustParsePrefix("10.0.0.9/32"), Packets: 7}}
		r.guard.Counted = lvs.GuardCounters{
			Packets: []lvs.GuardCount{{VIP: vip, Reason: lvs.GuardPassed, Passed: 5}, {VIP: vip, Reason: lvs.GuardUndeclared, Dropped: 3}},
			Bytes:   []lvs.GuardBytes{{VIP: vip, Passed: 500, Dropped: 300}},
		}
	})
	g := r.status().Guard
	if len(g.VIPs) != 1 || g.VIPs[0].Passed != (status.GuardCount{Packets: 5, Bytes: 500}) || g.VIPs[0].Dropped != (status.GuardCount{Packets: 3, Bytes: 300}) {
		t.Errorf("counters: %+v", g.VIPs)
	}
	now := time.Now()
	key := lvs.GuardPort{Protocol: lvs.TCP, Port: 80}
	for i, n := range []uint64{0, 30} {
		r.guard.Set(func() { r.guard.SYNs = []lvs.GuardSYNCount{{VIP: vip, Port: key, SYNs: 100 + 2*n, Again: 5 + n}} })
		r.d.guarding.readSYNs(now.Add(time.Duration(i) * synInterval))
	}
	s := r.status().Services[0].SYNs
	if s == nil || *s != (status.GuardSYNs{Seconds: 10, SYNs: 60, Repeated: 30}) || !s.Telling() {
		t.Errorf("SYNs: %+v", s)
	}
	for range 2 * mostSamples {
		r.d.guarding.sampled(lvs.GuardSample{Interface: "eth0", Reason: lvs.GuardBadPort})
	}
	top, err := control.Dial(r.socket()).GuardTop(t.Context())
	must(t, err)
	if len(top.Talkers) != 1 || top.Talkers[0].Packets != 7 || len(top.Samples) != mostSamples || top.Samples[0].Reason != "port 0" {
		t.Errorf("top: %d talkers, %d samples", len(top.Talkers), len(top.Samples))
	}
	probe := status.GuardProbe{Protocol: lvs.TCP, Source: netip.MustParseAddrPort("10.0.0.9:7"), Target: netip.AddrPortFrom(vip, 80)}
	v, err := control.Dial(r.socket()).GuardTest(t.Context(), probe)
	must(t, err)
	if v.Packet != "tcp 10.0.0.9:7 to 192.0.2.1:80 SYN" || v.Drops || v.Rule != "no rule speaks against it, and no limit is reached" {
		t.Errorf("test: %+v", v)
	}
}

func TestGuardOnStop(t *testing.T) {
	for _, tt := range []struct{ setting, want string }{{"keep", "0 prefixes"}, {"detach", "no guard"}} {
		r := start(t, web(guardTable+"on_stop = \""+tt.setting+"\"\n", "rs1"))
		must(t, r.d.stop())
		if got := r.blocked(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.setting, got, tt.want)
		}
	}
}

func TestPins(t *testing.T) {
	a, b := pins("/run/lvsd"), pins("/run/lvsd.two/"+strings.Repeat("x", 200))
	if !strings.HasPrefix(a, "/sys/fs/bpf/lvsd/lvsd-") || a == pins("/tmp/lvsd") {
		t.Errorf("%s is not its own", a)
	}
	if strings.Contains(b, ".") || len(filepath.Base(b)) != 32+1+8 {
		t.Errorf("%s is no name", b)
	}
}
