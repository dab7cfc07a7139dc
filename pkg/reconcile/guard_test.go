package reconcile_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func guarded() *lvs.Guard {
	return &lvs.Guard{
		Interfaces:    map[string]lvs.GuardLink{"eth0": {}},
		VIPs:          map[netip.Addr]lvs.GuardVIP{netip.MustParseAddr("192.0.2.1"): {}},
		Block:         lvs.Prefixes(netip.MustParsePrefix("198.51.100.0/24")),
		GuardSettings: lvs.GuardSettings{Enforce: true},
	}
}

// A guard that cannot be loaded is one error, tried again less and less often, and
// all else goes on.
func TestGuardThatCannotBeLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		broken := true
		m.guard.Fail = func(op string) error {
			if op == "load" && broken {
				return errors.New("load guard: operation not permitted")
			}
			return nil
		}
		m.want = everything(server("10.0.0.2:80", 1))
		m.want.Guard = guarded()
		r := m.round()
		if r.Failed() != 1 || r.Err != nil || len(r.Deferred) != 4 || len(r.Results) != 9 {
			t.Fatalf("%d failed, %d of %d deferred: %q, %v", r.Failed(), len(r.Deferred), len(r.Results), texts(r), r.Err)
		}
		if r = m.round(); len(r.Results) != 0 || len(r.Deferred) != 5 {
			t.Errorf("at once again: %q, %d deferred", texts(r), len(r.Deferred))
		}
		broken = false
		time.Sleep(time.Second)
		if r = m.ok(); len(r.Results) != 5 || r.Drift() != 0 {
			t.Errorf("later: %q, %d drift", texts(r), r.Drift())
		}
		if r = m.ok(); len(r.Results) != 0 {
			t.Errorf("after it: %q", texts(r))
		}
	})
}

// What somebody detaches is attached again; an interface that is missing holds
// nothing else up.
func TestGuardDrift(t *testing.T) {
	m := newMachine(t)
	m.want = everything()
	m.want.Guard = guarded()
	m.ok()
	m.guard.Detach("eth0")
	if r := m.ok(); r.Drift() != 1 || len(r.Results) != 1 {
		t.Errorf("detached: %q, %d drift", texts(r), r.Drift())
	}
	m.want.Guard = guarded()
	m.want.Guard.Interfaces["eth7"] = lvs.GuardLink{}
	m.want.Guard.Block = lvs.PrefixSet{}
	r := m.round()
	if diff := cmp.Diff([]string{"change guard's block list: delete 198.51.100.0/24", "attach guard to eth7 (mode auto)"}, texts(r)); diff != "" || r.Failed() != 1 {
		t.Errorf("an interface is missing: %d failed (-want +got):\n%s", r.Failed(), diff)
	}
}

// A guard that cannot be read is left alone, and so that VIPs move all the same it
// is not for them to wait for it.
func TestGuardThatCannotBeRead(t *testing.T) {
	m := newMachine(t)
	m.guard.Fail = func(op string) error {
		if op == "observe" {
			return errors.New("no")
		}
		return nil
	}
	m.want = everything(server("10.0.0.2:80", 1))
	m.want.Guard = guarded()
	if r := m.round(); r.Err == nil || r.Failed() != 0 || len(r.Results) != 8 {
		t.Errorf("%q, %v", texts(r), r.Err)
	}
}

func TestUnguard(t *testing.T) {
	m := newMachine(t)
	m.want = everything(server("10.0.0.2:80", 1))
	m.want.Guard = guarded()
	m.ok()
	if err := m.Unguard(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g, err := m.guard.Observe(nil); g != nil || err != nil {
		t.Errorf("left: %v, %v", g, err)
	}
	if services, err := m.table.Services(); len(services) != 1 || err != nil {
		t.Errorf("services: %v, %v", services, err)
	}
}
