package ipvstest_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestContract(t *testing.T) {
	open := func(*testing.T) ipvstest.Table { return ipvstest.New() }
	ipvstest.Contract(t, open, func(string) bool { return false })
}

var web = lvs.Service{
	Key:      lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80")),
	Settings: lvs.Settings{Scheduler: "rr", Netmask: 32},
	Servers: []lvs.Server{{
		Key:            netip.MustParseAddrPort("10.0.0.1:80"),
		ServerSettings: lvs.ServerSettings{Forwarding: lvs.DR, Weight: 1},
	}},
}

func TestRecord(t *testing.T) {
	k := ipvstest.New()
	changes := append(ipvstest.Adds([]lvs.Service{web}), lvs.Change{Verb: lvs.Add, Service: web})
	k.Apply(t.Context(), changes)
	var got strings.Builder
	for _, op := range k.Ops() {
		got.WriteString(op.String() + "\n")
	}
	want := `add tcp 192.0.2.1:80 (scheduler rr)
add 10.0.0.1:80 to tcp 192.0.2.1:80 (dr weight 1)
add tcp 192.0.2.1:80: file exists
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	k.ForgetOps()
	if ops := k.Ops(); len(ops) != 0 {
		t.Errorf("forgotten operations: got %v", ops)
	}
	table := `tcp 192.0.2.1:80 scheduler rr
  10.0.0.1:80 dr weight 1
`
	if diff := cmp.Diff(table, k.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestFail(t *testing.T) {
	k := ipvstest.New()
	k.Fail = func(c lvs.Change) error {
		if c.Server != nil {
			return unix.ENOMEM
		}
		return nil
	}
	errs := k.Apply(t.Context(), ipvstest.Adds([]lvs.Service{web}))
	if errs[0] != nil || !errors.Is(errs[1], unix.ENOMEM) {
		t.Errorf("got %v", errs)
	}
	if got, want := k.String(), "tcp 192.0.2.1:80 scheduler rr\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFailRead(t *testing.T) {
	k := ipvstest.New()
	k.FailRead = func() error { return unix.EPERM }
	_, services := k.Services()
	_, _, stats := k.Read()
	_, timeouts := k.Timeouts()
	for _, err := range []error{services, stats, timeouts} {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("got %v, want %v", err, unix.EPERM)
		}
	}
}

func TestFailRate(t *testing.T) {
	first, second := ipvstest.FailRate(0.1, 7), ipvstest.FailRate(0.1, 7)
	failed := 0
	for range 1000 {
		err := first(lvs.Change{})
		if !errors.Is(second(lvs.Change{}), err) {
			t.Fatal("the same seed gives different failures")
		}
		if err != nil {
			failed++
		}
	}
	if failed < 50 || failed > 150 {
		t.Errorf("%d of 1000 fail, want about 100", failed)
	}
}

func TestSetStats(t *testing.T) {
	k := ipvstest.New()
	k.Apply(t.Context(), ipvstest.Adds([]lvs.Service{web}))
	server := web.Servers[0].Key
	want := lvs.ServiceStats{
		Counters: lvs.Counters{Connections: 3},
		Servers:  map[netip.AddrPort]lvs.ServerStats{server: {Active: 2}},
	}
	k.SetStats(web.Key, want)
	_, got, err := k.Read()
	if err != nil {
		t.Fatal(err)
	}
	if got[web.Key].Counters != want.Counters || got[web.Key].Servers[server].Active != 2 {
		t.Errorf("got %+v, want %+v", got[web.Key], want)
	}
}
