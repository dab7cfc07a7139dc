package daemon

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/override/store"
)

func (r *running) order(o control.Order) control.Ordered {
	r.t.Helper()
	done, err := control.Dial(r.socket()).Override(r.t.Context(), o)
	must(r.t, err)
	if !done.Changed || len(done.Errors) > 0 {
		r.t.Fatalf("got %+v", done)
	}
	return done
}

func (r *running) enable(t override.Target) control.Ordered {
	r.t.Helper()
	done, err := control.Dial(r.socket()).Enable(r.t.Context(), t)
	must(r.t, err)
	return done
}

// weights gives the kernel's weights of the real servers of the first service by the
// last byte of their address.
func (r *running) weights() map[byte]int32 {
	r.t.Helper()
	services, err := r.table.Services()
	must(r.t, err)
	got := map[byte]int32{}
	for _, s := range services[0].Servers {
		got[s.Key.Addr().As4()[3]] = s.Weight
	}
	return got
}

// When an order returns the kernel has followed; what the file says stays to be seen,
// and a reload takes nothing back.
func TestOverride(t *testing.T) {
	r := start(t, web("", "rs1", "rs2", "rs3"))
	r.order(control.Order{Target: override.Of("web", "rs1"), Reason: "new disk"})
	r.order(control.Order{Target: override.Everywhere("10.0.0.2"), Weight: 7})
	if w := r.weights(); w[1] != 0 || w[2] != 7 || w[3] != 1 {
		t.Errorf("weights %v", w)
	}
	must(t, r.reload())
	servers := r.status().Services[0].Servers
	o := servers[0].Override
	if o == nil || o.Reason != "new disk" || o.By == "" || time.Since(o.Since) > patience || servers[0].Configured != 1 || servers[0].Weight != 0 {
		t.Errorf("the status says %+v, %+v", servers[0], o)
	}
	if o := servers[1].Override; o == nil || o.Weight != 7 || servers[2].Override != nil {
		t.Errorf("the status says %+v, %+v", o, servers[2].Override)
	}
	if done := r.enable(override.Of("web", "rs1")); !done.Changed || len(done.Others) > 0 {
		t.Errorf("enable: %+v", done)
	}
	if done := r.enable(override.Of("web", "rs2")); done.Changed || len(done.Others) != 1 || done.Others[0].Target != override.Everywhere("10.0.0.2") {
		t.Errorf("enable what another order covers: %+v", done)
	}
	if w := r.weights(); w[1] != 1 || w[2] != 7 {
		t.Errorf("weights %v", w)
	}
	r.write(web("", "rs1", "rs3"))
	must(t, r.reload())
	if all := r.status().Overrides; len(all) != 1 || !all[0].Idle {
		t.Errorf("without the server: %+v", all)
	}
	if done := r.enable(override.Everywhere("10.0.0.2")); !done.Changed {
		t.Errorf("enable what is idle: %+v", done)
	}
	if all := r.status().Overrides; len(all) > 0 {
		t.Errorf("left: %+v", all)
	}
}

// An order is told the errors of what it is about, and no others.
func TestErrorsOfAnOrder(t *testing.T) {
	other := "[virtual.other]\nvip = \"192.0.2.1:8080\"\nreal.rs9 = \"10.0.0.9\"\n"
	r := start(t, web("", "rs1", "rs2")+other)
	r.fail.Store(true)
	done, err := control.Dial(r.socket()).Override(t.Context(), control.Order{Target: override.Of("web", "rs1")})
	must(t, err)
	if len(done.Errors) != 1 || !strings.Contains(done.Errors[0], "tcp 192.0.2.1:80: ") {
		t.Errorf("got %q", done.Errors)
	}
	done, err = control.Dial(r.socket()).Override(t.Context(), control.Order{Target: override.Of("other", "rs9")})
	must(t, err)
	if len(done.Errors) != 1 || !strings.Contains(done.Errors[0], "tcp 192.0.2.1:8080: ") {
		t.Errorf("got %q", done.Errors)
	}
	r.fail.Store(false)
}

func TestUnknownTargets(t *testing.T) {
	r := start(t, web("", "rs1", "rs2"))
	for target, want := range map[override.Target]string{
		override.Of("wbe", "rs1"):       `no virtual service wbe (did you mean "web"?)`,
		override.Of("web", "rs11"):      `web has no real server rs11 (did you mean "rs1"?)`,
		override.Of("web", "else"):      "web has no real server else",
		override.Everywhere("10.0.0.7"): `no real server with the name or address 10.0.0.7 (did you mean "10.0.0.1"?)`,
		override.Self:                   "the configuration has no [vrrp]",
	} {
		_, err := control.Dial(r.socket()).Override(t.Context(), control.Order{Target: target})
		if err == nil || !strings.HasSuffix(err.Error(), want) && !strings.Contains(err.Error(), want+":") {
			t.Errorf("%s: got %v, want %s", target, err, want)
		}
		if _, err := control.Dial(r.socket()).Enable(t.Context(), target); err == nil {
			t.Errorf("enable %s: no error", target)
		}
		if _, err := control.Dial(r.socket()).Drain(t.Context(), target); err == nil || !strings.HasSuffix(err.Error(), "is not drained by an order of its own") {
			t.Errorf("drain of %s: %v", target, err)
		}
	}
	must(t, os.WriteFile(filepath.Join(r.dir, "overrides.json"), nil, 0o600))
	must(t, os.RemoveAll(filepath.Join(r.dir, "overrides.json")))
	must(t, os.MkdirAll(filepath.Join(r.dir, "overrides.json", "x"), 0o700))
	_, err := control.Dial(r.socket()).Override(t.Context(), control.Order{Target: override.Of("web", "rs1")})
	if err == nil || !strings.Contains(err.Error(), "keep the overrides: ") || r.weights()[1] != 1 {
		t.Errorf("what cannot be kept is not done: %v, %v", err, r.weights())
	}
}

// connections lets the kernel count connections of a server of the first service.
func (r *running) connections(server string, active, inactive uint32) {
	key := lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
	address := netip.AddrPortFrom(netip.MustParseAddr(server), 80)
	r.table.SetStats(key, lvs.ServiceStats{Servers: map[netip.AddrPort]lvs.ServerStats{address: {Active: active, Inactive: inactive}}})
}

// A drain is empty when the last connection has ended; removal waits for the last
// entry too.
func TestDrain(t *testing.T) {
	r := start(t, web("", "rs1", "rs2"))
	target := override.Everywhere("rs1")
	r.connections("10.0.0.1", 2, 1)
	r.order(control.Order{Target: target, Remove: true})
	drain := func() control.Drain {
		d, err := control.Dial(r.socket()).Drain(t.Context(), target)
		must(t, err)
		return d
	}
	r.eventually("the connections are counted", func() bool { d := drain(); return d.Active == 2 && d.Inactive == 1 && !d.Empty })
	r.connections("10.0.0.1", 0, 1)
	r.eventually("it is empty", func() bool { return drain().Empty })
	if w, there := r.weights()[1]; w != 0 || !there {
		t.Errorf("it was removed with an entry left: %v", r.weights())
	}
	r.connections("10.0.0.1", 0, 0)
	r.eventually("it is removed", func() bool { _, there := r.weights()[1]; return !there })
	if o := drain().Override; o.Removed.IsZero() {
		t.Errorf("the drain says %+v", o)
	}
	r.enable(target)
	if w := r.weights(); w[1] != 1 {
		t.Errorf("taken back: %v", w)
	}
}

// At the deadline a server goes with the connections that it has.
func TestDrainDeadline(t *testing.T) {
	r := start(t, web("", "rs1", "rs2"))
	r.connections("10.0.0.1", 2, 1)
	r.order(control.Order{Target: override.Of("web", "rs1"), Remove: true, Deadline: time.Second})
	if _, there := r.weights()[1]; !there {
		t.Error("it was removed at once")
	}
	r.eventually("it is removed", func() bool { _, there := r.weights()[1]; return !there })
}

// A removal that was ordered before a restart is done after it, at its deadline.
func TestDrainGoesOn(t *testing.T) {
	r := start(t, web("", "rs1", "rs2"), func(dir string) {
		s, err := store.Open(dir)
		must(t, err)
		must(t, s.Change(func(override.Set) (override.Set, error) {
			return override.Set{{Target: override.Of("web", "rs1"), Since: time.Now(), Remove: true, Deadline: time.Now().Add(time.Second)}}, nil
		}))
	})
	if w := r.weights()[1]; w != 0 {
		t.Errorf("after the start its weight is %d", w)
	}
	r.eventually("it is removed", func() bool { _, there := r.weights()[1]; return !there })
}

// eventually waits until a condition holds.
func (r *running) eventually(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	r.t.Fatalf("not within %s: %s; the log:\n%s", patience, what, r.log)
}
