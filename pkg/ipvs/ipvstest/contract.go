package ipvstest

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Table is what the contract is about: the methods that ipvs.Table and Kernel
// have in common.
type Table interface {
	Services() ([]lvs.Service, error)
	Read() ([]lvs.Service, map[lvs.ServiceKey]lvs.ServiceStats, error)
	Servers(lvs.ServiceKey) ([]lvs.Server, map[netip.AddrPort]lvs.ServerStats, error)
	Apply(context.Context, []lvs.Change) []error
	Timeouts() (lvs.Timeouts, error)
	SetTimeouts(lvs.Timeouts) error
	Daemons() ([]lvs.SyncDaemon, error)
	StartDaemon(lvs.SyncDaemon) error
	StopDaemon(lvs.SyncRole) error
}

var _ Table = (*Kernel)(nil)

// Contract tests the behaviour that a table in memory and the kernel's must
// share. Open gives an empty table of a host with no address but the loopback
// interface's; lacks tells of a scheduler that this kernel was built without.
func Contract(t *testing.T, open func(*testing.T) Table, lacks func(scheduler string) bool) {
	for _, c := range slices.Concat(serviceCases, serverCases, inexpressibleCases) {
		t.Run(c.name+"/alone", func(t *testing.T) { c.run(t, open(t), applyAlone) })
		t.Run(c.name+"/batch", func(t *testing.T) { c.run(t, open(t), applyBatch) })
	}
	t.Run("round trip", func(t *testing.T) { roundTrip(t, open(t), lacks) })
	t.Run("many failures", func(t *testing.T) { manyFailures(t, open(t)) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, open(t)) })
	t.Run("stats", func(t *testing.T) { stats(t, open(t)) })
	t.Run("daemons", func(t *testing.T) { daemons(t, open(t)) })
	t.Run("timeouts", func(t *testing.T) { timeouts(t, open(t)) })
}

// step is a change and the outcome that it must have.
type step struct {
	change lvs.Change
	want   error
}

type contractCase struct {
	name  string
	steps []step
	table string // what there is in the end, as Text writes it
}

func (c contractCase) run(t *testing.T, table Table, apply func(Table, []lvs.Change) []error) {
	var changes []lvs.Change
	for _, s := range c.steps {
		changes = append(changes, s.change)
	}
	for i, err := range apply(table, changes) {
		checkOutcome(t, c.steps[i].change, err, c.steps[i].want)
	}
	if got, want := Text(read(t, table)), strings.TrimLeft(c.table, "\n"); got != want {
		t.Errorf("got table\n%swant\n%s", got, want)
	}
}

func applyAlone(table Table, changes []lvs.Change) []error {
	var errs []error
	for _, c := range changes {
		errs = append(errs, table.Apply(context.Background(), []lvs.Change{c})...)
	}
	return errs
}

func applyBatch(table Table, changes []lvs.Change) []error {
	return table.Apply(context.Background(), changes)
}

func checkOutcome(t *testing.T, c lvs.Change, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", c, got, want)
	}
	if got != nil && !strings.HasPrefix(got.Error(), c.Brief()+": ") {
		t.Errorf("%s: error %q does not begin with what was attempted", c, got)
	}
}

func read(t *testing.T, table Table) []lvs.Service {
	t.Helper()
	services, err := table.Services()
	if err != nil {
		t.Fatal(err)
	}
	return services
}

func apply(t *testing.T, table Table, changes []lvs.Change) {
	t.Helper()
	for i, err := range table.Apply(context.Background(), changes) {
		checkOutcome(t, changes[i], err, nil)
	}
}

// roundTrip adds, changes and deletes the whole of Samples, but for services
// with a scheduler that the kernel lacks.
func roundTrip(t *testing.T, table Table, lacks func(string) bool) {
	missing := make(map[string]bool)
	for _, scheduler := range lvs.Schedulers {
		missing[scheduler] = lacks(scheduler)
		if missing[scheduler] {
			t.Logf("this kernel was built without scheduler %s", scheduler)
		}
	}
	want := slices.DeleteFunc(Samples(), func(s lvs.Service) bool { return missing[s.Scheduler] })
	apply(t, table, Adds(want))
	checkTable(t, "after adding", table, want)
	var sets []lvs.Change
	for i := range want {
		s := &want[i]
		s.Scheduler, s.Persistence, s.Engine = "wlc", 7*time.Second, ""
		sets = append(sets, lvs.Change{Verb: lvs.Set, Service: *s})
		for j := range s.Servers {
			s.Servers[j].Weight += 3
			sets = append(sets, lvs.Change{Verb: lvs.Set, Service: *s, Server: &s.Servers[j]})
		}
	}
	apply(t, table, sets)
	checkTable(t, "after setting", table, want)
	var deletes []lvs.Change
	for _, s := range want {
		for _, server := range s.Servers {
			deletes = append(deletes, lvs.Change{Verb: lvs.Delete, Service: s, Server: &server})
		}
		deletes = append(deletes, lvs.Change{Verb: lvs.Delete, Service: s})
	}
	apply(t, table, deletes)
	checkTable(t, "after deleting", table, nil)
}

// checkTable compares every value of every service, and names those that differ.
func checkTable(t *testing.T, when string, table Table, want []lvs.Service) {
	t.Helper()
	got := read(t, table)
	if len(got) != len(want) {
		t.Errorf("%s: got %d services, want %d", when, len(got), len(want))
		return
	}
	for i, w := range want {
		g := got[i]
		if g.Key != w.Key || g.Settings != w.Settings || !slices.Equal(g.Servers, w.Servers) {
			t.Errorf("%s: got\n%+v\nwant\n%+v", when, g, w)
		}
	}
}

// manyFailures has more errors than one answer from the kernel holds.
func manyFailures(t *testing.T, table Table) {
	s := lvs.Service{Key: tcp("192.0.2.1:80"), Settings: plain}
	var changes []lvs.Change
	for i := range 3000 {
		verb := lvs.Add
		if i%2 == 1 {
			verb = lvs.Delete
		}
		if i%3 == 2 {
			verb = lvs.Set
		}
		changes = append(changes, lvs.Change{Verb: verb, Service: s, Server: &lvs.Server{
			Key: netip.MustParseAddrPort("10.0.0.1:80"), ServerSettings: dr}})
	}
	for i, err := range table.Apply(context.Background(), changes) {
		checkOutcome(t, changes[i], err, unix.ESRCH)
	}
}

func cancelled(t *testing.T, table Table) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	changes := Adds([]lvs.Service{{Key: tcp("192.0.2.1:80"), Settings: plain}})
	for _, n := range []int{1, 2} {
		all := slices.Repeat(changes, n)
		for i, err := range table.Apply(ctx, all) {
			checkOutcome(t, all[i], err, context.Canceled)
		}
	}
	checkTable(t, "in the end", table, nil)
}

func stats(t *testing.T, table Table) {
	services := Samples()[:3]
	for i := range services {
		services[i].Settings = plain
	}
	apply(t, table, Adds(services))
	all, got, err := table.Read()
	if err != nil {
		t.Fatal(err)
	}
	if alone, err := table.Services(); err != nil || !reflect.DeepEqual(all, alone) {
		t.Errorf("with statistics: %v, without: %v, %v", all, alone, err)
	}
	for _, s := range services {
		stats, ok := got[s.Key]
		if !ok || stats.Counters != (lvs.Counters{}) || len(stats.Servers) != len(s.Servers) {
			t.Errorf("%s: got %+v, want zeroes for it and %d servers", s.Key, stats, len(s.Servers))
		}
		for _, server := range s.Servers {
			if stats, ok := stats.Servers[server.Key]; !ok || stats != (lvs.ServerStats{}) {
				t.Errorf("%s in %s: got %+v, want zeroes", server.Key, s.Key, stats)
			}
		}
	}
	for _, s := range services {
		servers, stats, err := table.Servers(s.Key)
		if err != nil || !slices.Equal(servers, s.Servers) || !maps.Equal(stats, got[s.Key].Servers) {
			t.Errorf("%s alone: got %v, %v, %v", s.Key, servers, stats, err)
		}
	}
	if servers, _, err := table.Servers(lvs.MarkKey(4711, lvs.IPv4)); err != nil || len(servers) > 0 {
		t.Errorf("of no service: got %v, %v", servers, err)
	}
	if len(got) != len(services) {
		t.Errorf("got statistics of %d services, want %d", len(got), len(services))
	}
}

func timeouts(t *testing.T, table Table) {
	want, err := table.Timeouts()
	if err != nil {
		t.Fatal(err)
	}
	if want != (lvs.Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 5 * time.Minute}) {
		t.Errorf("defaults: got %s", want)
	}
	want.UDP = 77 * time.Second
	if err := table.SetTimeouts(lvs.Timeouts{UDP: want.UDP}); err != nil {
		t.Error(err)
	}
	for _, bad := range []time.Duration{-time.Second, time.Millisecond, 1 << 22 * time.Second} {
		if err := table.SetTimeouts(lvs.Timeouts{TCP: bad}); !errors.Is(err, unix.EINVAL) {
			t.Errorf("tcp %s: got %v, want %v", bad, err, unix.EINVAL)
		}
	}
	got, err := table.Timeouts()
	if err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
