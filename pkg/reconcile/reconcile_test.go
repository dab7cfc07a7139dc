package reconcile_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/firewall/firewalltest"
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev/netdevtest"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/sysctl/sysctltest"
	"github.com/lvsd/lvsd/pkg/xdp/xdptest"
)

const forward = "net.ipv4.ip_forward"

var (
	web  = lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
	vip  = lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.1/32")}
	rule = lvs.Masquerade(netip.MustParsePrefix("10.0.0.0/24"))
)

// rules lets the fake firewall list the tables that it is asked for and the one
// that lvsd always used.
type rules struct{ *firewalltest.Fake }

func (r rules) Rules(want map[lvs.Rule]int) (map[lvs.Rule]int, error) {
	return r.Fake.Rules(append(firewall.Tables(want), firewall.Table{Family: lvs.IPv4, Name: "nat"}))
}

// modules are loaded in memory.
type modules map[string]bool

func (m modules) Has(name string) (bool, error)             { return m[name], nil }
func (m modules) Load(_ context.Context, name string) error { m[name] = true; return nil }

// machine is a whole fake kernel and a reconciler for it.
type machine struct {
	t       *testing.T
	table   *ipvstest.Kernel
	devices *netdevtest.Fake
	rules   *firewalltest.Fake
	sysctls *sysctltest.Fake
	guard   *xdptest.Fake
	ledger  string
	log     *syncBuffer
	want    lvs.State
	*reconcile.Reconciler
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	sysctls, err := sysctltest.New(map[string]string{forward: "0"})
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{
		t:       t,
		table:   ipvstest.New(),
		devices: netdevtest.New("lo", "eth0"),
		rules:   firewalltest.New(),
		sysctls: sysctls,
		guard:   xdptest.NewFake("eth7"),
		ledger:  filepath.Join(t.TempDir(), "owned.json"),
		log:     &syncBuffer{},
	}
	m.restart()
	return m
}

// restart begins anew with what the kernel and the ledger hold.
func (m *machine) restart() {
	m.t.Helper()
	ledger, err := reconcile.OpenLedger(m.ledger)
	if err != nil {
		m.t.Fatal(err)
	}
	kernel := reconcile.Kernel{
		Table: m.table, Devices: m.devices, Firewall: rules{m.rules}, Detours: m.devices, Sysctls: m.sysctls, Modules: modules{}, Guard: m.guard,
	}
	log := slog.New(slog.NewTextHandler(m.log, nil))
	m.Reconciler = reconcile.New(kernel, ledger, log, m.goal())
}

func (m *machine) goal() reconcile.Goal {
	return reconcile.Goal{
		Desire: func(lvs.State) lvs.State { return m.want },
		Resync: 30 * time.Second,
	}
}

func (m *machine) round() reconcile.Round { return m.Round(m.t.Context()) }

// ok runs a round and holds that it left nothing undone.
func (m *machine) ok() reconcile.Round {
	m.t.Helper()
	r := m.round()
	if !r.OK() {
		m.t.Fatalf("round: %v, %d failed, %d deferred", r.Err, r.Failed(), len(r.Deferred))
	}
	return r
}

func texts(r reconcile.Round) []string {
	var s []string
	for _, result := range r.Results {
		s = append(s, result.Op.String())
	}
	return s
}

func server(addr string, weight int32) lvs.Server {
	return lvs.Server{
		Key:            netip.MustParseAddrPort(addr),
		ServerSettings: lvs.ServerSettings{Forwarding: lvs.NAT, Weight: weight},
	}
}

// everything is a state with a thing of every kind.
func everything(servers ...lvs.Server) lvs.State {
	return lvs.State{
		Modules:   []string{"ip_vs"},
		Sysctls:   map[string]lvs.Sysctl{forward: {Key: forward, Value: "1", Why: "test"}},
		Timeouts:  lvs.Timeouts{TCP: time.Minute},
		Rules:     map[lvs.Rule]int{rule[0]: 1, rule[1]: 1},
		Addresses: map[lvs.AddressKey]lvs.Address{vip: {AddressKey: vip}},
		Services: map[lvs.ServiceKey]lvs.Service{
			web: {Key: web, Settings: lvs.Settings{Scheduler: "wrr", Netmask: 32}, Servers: servers},
		},
	}
}

func TestRound(t *testing.T) {
	m := newMachine(t)
	m.want = everything(server("10.0.0.2:80", 1))
	want := []string{
		"load kernel module ip_vs",
		"set net.ipv4.ip_forward to 1 (was 0; test)",
		"set IPVS time-outs: tcp 1m",
		"add rule: " + rule[0].String(),
		"add rule: " + rule[1].String(),
		"add tcp 192.0.2.1:80 (scheduler wrr)",
		"add 10.0.0.2:80 to tcp 192.0.2.1:80 (nat weight 1)",
		"add address 192.0.2.1/32 on eth0",
	}
	if diff := cmp.Diff(want, texts(m.ok())); diff != "" {
		t.Errorf("first round (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]lvs.AddressKey{vip}, m.devices.Announced(), cmp.Comparer(func(a, b lvs.AddressKey) bool { return a == b })); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	if got := texts(m.ok()); got != nil {
		t.Errorf("second round: %q", got)
	}
}

func TestDrift(t *testing.T) {
	m := newMachine(t)
	m.want = everything(server("10.0.0.2:80", 1))
	if r := m.ok(); r.Drift() != 0 {
		t.Errorf("the first fill counts as %d drifts", r.Drift())
	}
	service := m.want.Services[web]
	m.table.Apply(t.Context(), []lvs.Change{{Verb: lvs.Delete, Service: service}})
	if err := m.sysctls.Write(forward, "0"); err != nil {
		t.Fatal(err)
	}
	r := m.ok()
	if got := r.Drift(); got != 3 || len(r.Results) != 3 {
		t.Errorf("%d operations, %d of them drift; want 3 of 3: %q", len(r.Results), got, texts(r))
	}
	if got := m.Drift(); got.Repaired != 3 || got.Op == "" || got.Last.IsZero() {
		t.Errorf("sum of drift: %+v", got)
	}
	m.want = everything(server("10.0.0.2:80", 2))
	if r := m.ok(); r.Drift() != 0 || len(r.Results) != 1 {
		t.Errorf("a change of the configuration: %d operations, %d of them drift", len(r.Results), r.Drift())
	}
	if got := strings.Count(m.log.String(), "drift repaired"); got != 3 {
		t.Errorf("%d lines about drift, want 3:\n%s", got, m.log)
	}
}

// A daemon that stops because the role has changed is no drift, although the
// kernel has filled in what the configuration left open.
func TestRoleIsNoDrift(t *testing.T) {
	m := newMachine(t)
	for _, role := range []lvs.SyncRole{lvs.SyncBackup, lvs.SyncMaster, lvs.SyncBackup} {
		m.want = everything(server("10.0.0.2:80", 1))
		m.want.Daemons = map[lvs.SyncRole]lvs.SyncDaemon{role: {Role: role, Interface: "eth0", ID: 51}}
		if r := m.ok(); r.Drift() != 0 {
			t.Errorf("%d of these are drift: %q", r.Drift(), texts(r))
		}
	}
}

// Ownership survives a restart: what was taken out of the file meanwhile goes,
// what others made stays.
func TestOwnershipSurvivesRestart(t *testing.T) {
	m := newMachine(t)
	foreign := lvs.Service{
		Key:      lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.9:25")),
		Settings: lvs.Settings{Scheduler: "rr", Netmask: 32},
	}
	theirs := lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.9/24")}
	m.table.Apply(t.Context(), []lvs.Change{{Verb: lvs.Add, Service: foreign}})
	if err := m.devices.Add(lvs.Address{AddressKey: theirs}); err != nil {
		t.Fatal(err)
	}
	m.want = everything(server("10.0.0.2:80", 1))
	m.want.Addresses[theirs] = lvs.Address{AddressKey: theirs}
	m.ok()
	m.want = lvs.State{Services: map[lvs.ServiceKey]lvs.Service{}}
	m.restart()
	m.ok()
	if got, want := m.table.String(), ipvstest.Text([]lvs.Service{foreign}); got != want {
		t.Errorf("table: got\n%swant\n%s", got, want)
	}
	addresses, err := m.devices.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := addresses[vip]; ok {
		t.Errorf("the address that lvsd added is still there")
	}
	if _, ok := addresses[theirs]; !ok {
		t.Errorf("the address that was there before lvsd is gone")
	}
	// Once deleted, a service of the same key is somebody else's.
	m.table.Apply(t.Context(), []lvs.Change{{Verb: lvs.Add, Service: lvs.Service{Key: web, Settings: foreign.Settings}}})
	if got := texts(m.ok()); got != nil {
		t.Errorf("lvsd does %q to a service that somebody made anew", got)
	}
}

// The kernel takes an IPv6 address once on an interface, whatever its prefix length
// is: another length does not leave the host without the VIP.
func TestOtherPrefixLength(t *testing.T) {
	m := newMachine(t)
	for _, prefix := range []string{"2001:db8::1/64", "2001:db8::1/128", "192.0.2.1/24", "192.0.2.1/32"} {
		key := lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix(prefix)}
		m.want = everything(server("10.0.0.2:80", 1))
		m.want.Addresses = map[lvs.AddressKey]lvs.Address{key: {AddressKey: key}}
		m.ok()
		have, err := m.devices.Addresses()
		if _, there := have[key]; !there || len(have) != 1 || err != nil {
			t.Errorf("%s: got %v, %v", prefix, have, err)
		}
		if got := texts(m.ok()); got != nil {
			t.Errorf("%s: left to do: %q", prefix, got)
		}
	}
}

// A daemon that was started anew with other settings is lvsd's still, and goes when
// nobody wants it any more.
func TestChangedDaemonIsKept(t *testing.T) {
	m := newMachine(t)
	m.want = everything(server("10.0.0.2:80", 1))
	for _, id := range []uint8{51, 52} {
		m.want.Daemons = map[lvs.SyncRole]lvs.SyncDaemon{lvs.SyncMaster: {Role: lvs.SyncMaster, Interface: "eth0", ID: id}}
		m.ok()
	}
	m.restart()
	m.want.Daemons = nil
	m.ok()
	if left, err := m.table.Daemons(); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A daemon that somebody stopped while lvsd did not run, and that no file asks for
// any more, is nobody's: one that somebody starts later is theirs.
func TestStoppedDaemonIsForgotten(t *testing.T) {
	m := newMachine(t)
	m.want = everything(server("10.0.0.2:80", 1))
	m.want.Daemons = map[lvs.SyncRole]lvs.SyncDaemon{lvs.SyncMaster: {Role: lvs.SyncMaster, Interface: "eth0", ID: 51}}
	m.ok()
	if err := m.table.StopDaemon(lvs.SyncMaster); err != nil {
		t.Fatal(err)
	}
	m.want = everything(server("10.0.0.2:80", 1))
	m.restart()
	m.ok()
	if err := m.table.StartDaemon(lvs.SyncDaemon{Role: lvs.SyncMaster, Interface: "eth0", ID: 7}); err != nil {
		t.Fatal(err)
	}
	if got := texts(m.ok()); got != nil {
		t.Errorf("lvsd does %q to a daemon of somebody else's", got)
	}
}

func TestUnmanaged(t *testing.T) {
	m := newMachine(t)
	foreign := lvs.Service{Key: web, Settings: lvs.Settings{Scheduler: "rr", Netmask: 32}}
	m.table.Apply(t.Context(), []lvs.Change{{Verb: lvs.Add, Service: foreign}})
	m.want = lvs.State{Services: map[lvs.ServiceKey]lvs.Service{}}
	if got := texts(m.ok()); got != nil {
		t.Errorf("unmanaged service: %q", got)
	}
	goal := m.goal()
	goal.Unmanaged = true
	m.Aim(goal)
	if diff := cmp.Diff([]string{"delete tcp 192.0.2.1:80"}, texts(m.ok())); diff != "" {
		t.Errorf("with the whole table owned (-want +got):\n%s", diff)
	}
}

// A server goes only when another has come: if the kernel refuses the new one,
// the old one goes on serving.
func TestShrinkingWaitsForGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.want = everything(server("10.0.0.2:80", 1))
		m.ok()
		refuse := true
		m.table.Fail = func(c lvs.Change) error {
			if refuse && c.Server != nil && c.Verb == lvs.Add {
				return unix.ENOMEM
			}
			return nil
		}
		m.want = everything(server("10.0.0.3:80", 1))
		r := m.round()
		if len(r.Deferred) != 1 || r.Failed() != 1 {
			t.Errorf("%d deferred, %d failed; want 1 and 1", len(r.Deferred), r.Failed())
		}
		if got := m.table.String(); !strings.Contains(got, "10.0.0.2:80 nat weight 1") {
			t.Errorf("the old server is gone:\n%s", got)
		}
		refuse = false
		time.Sleep(time.Minute)
		r = m.ok()
		if r.Drift() != 0 {
			t.Errorf("what had to wait counts as %d drifts", r.Drift())
		}
		if got := m.table.String(); strings.Contains(got, "10.0.0.2:80") {
			t.Errorf("the old server is still there:\n%s", got)
		}
	})
}

// Nor does the old one go in a round in which the new one only waits to be tried
// again.
func TestShrinkingWaitsThroughTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.want = everything(server("10.0.0.2:80", 1))
		m.ok()
		m.table.Fail = func(c lvs.Change) error {
			if c.Server != nil && c.Verb == lvs.Add {
				return unix.ENOMEM
			}
			return nil
		}
		m.want = everything(server("10.0.0.3:80", 1))
		m.round()
		if r := m.round(); len(r.Deferred) != 2 {
			t.Errorf("%d deferred, want both: %q", len(r.Deferred), texts(r))
		}
		if got := m.table.String(); !strings.Contains(got, "10.0.0.2:80 nat weight 1") {
			t.Errorf("the old server is gone:\n%s", got)
		}
	})
}

// An operation that failed and now waits for another one is tried when that one is:
// rounds do not follow each other without a pause meanwhile.
func TestNoRoundsWithoutPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.want = everything(server("10.0.0.2:80", 1))
		m.ok()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var reads, deletes int
		m.table.FailRead = func() error {
			if reads++; reads > 100 {
				cancel()
			}
			return nil
		}
		m.table.Fail = func(c lvs.Change) error {
			switch {
			case c.Server == nil:
				return nil
			case c.Verb == lvs.Add:
				return unix.ENOMEM
			}
			if deletes++; deletes == 1 {
				return unix.ENOBUFS
			}
			return nil
		}
		m.want = everything()
		m.round() // the deletion fails
		m.want = everything(server("10.0.0.3:80", 1))
		go m.Run(ctx, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if reads > 100 {
			t.Errorf("the table was read %d times in less than a minute", reads)
		}
	})
}

// What cannot be read is left alone in that round, and the rest goes on.
func TestUnreadableTable(t *testing.T) {
	m := newMachine(t)
	m.want = everything(server("10.0.0.2:80", 1))
	m.ok()
	m.table.FailRead = func() error { return unix.ENOBUFS }
	m.want = everything(server("10.0.0.2:80", 2))
	m.want.Sysctls[forward] = lvs.Sysctl{Key: forward, Value: "2", Why: "test"}
	r := m.round()
	if !errors.Is(r.Err, unix.ENOBUFS) || r.OK() {
		t.Errorf("error %v", r.Err)
	}
	if diff := cmp.Diff([]string{"set net.ipv4.ip_forward to 2 (was 1; test)"}, texts(r)); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

// A failed operation is tried again with growing pauses, told once, and stops
// no other.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		var tries []time.Duration
		start := time.Now()
		var broken atomic.Bool
		broken.Store(true)
		m.rules.Fail = func(op, _ string) error {
			if op != "add" || !broken.Load() {
				return nil
			}
			tries = append(tries, time.Since(start))
			return unix.EPERM
		}
		m.want = everything(server("10.0.0.2:80", 1))
		m.want.Rules = map[lvs.Rule]int{rule[1]: 1}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go m.Run(ctx, nil)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second}, tries); diff != "" {
			t.Errorf("tries (-want +got):\n%s", diff)
		}
		if got := m.table.String(); !strings.Contains(got, "10.0.0.2:80") {
			t.Errorf("the failing rule stopped the table:\n%s", got)
		}
		if got := strings.Count(m.log.String(), "operation not done"); got != 1 {
			t.Errorf("told %d times, want once:\n%s", got, m.log)
		}
		broken.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !m.Last().OK() {
			t.Errorf("not in step after the cause is gone: %+v", m.Last())
		}
	})
}

// With one operation in ten failing at random the kernel still comes to what is
// wanted, through any series of wanted states, and nothing is left to do then.
func TestConverges(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t)
			m.table.Fail = ipvstest.FailRate(0.1, seed)
			fail := rand.New(rand.NewPCG(seed, 7))
			atRandom := func(string, string) error {
				if fail.Float64() < 0.1 {
					return unix.EIO
				}
				return nil
			}
			m.devices.Fail, m.rules.Fail, m.sysctls.Fail = atRandom, atRandom, atRandom
			random := rand.New(rand.NewPCG(seed, 9))
			for range 5 {
				m.want = randomState(random)
				converge(t, m)
			}
			if info, err := os.Stat(m.ledger); err != nil || info.Size() == 0 {
				t.Errorf("ledger: %v", err)
			}
		})
	}
}

func converge(t *testing.T, m *machine) {
	t.Helper()
	for range 50 {
		if r := m.round(); r.OK() && len(r.Results) == 0 {
			return
		}
		time.Sleep(2 * time.Minute) // fake time: every back-off is over
	}
	t.Fatalf("not converged: %+v", m.Last())
}

func randomState(r *rand.Rand) lvs.State {
	s := everything()
	service := s.Services[web]
	for i := range 10 {
		if r.IntN(2) == 0 {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80)
			service.Servers = append(service.Servers, server(addr.String(), int32(r.IntN(3))))
		}
	}
	s.Services[web] = service
	if r.IntN(2) == 0 {
		delete(s.Addresses, vip)
	}
	if r.IntN(2) == 0 {
		s.Rules = nil
	}
	return s
}

// Whoever changes the goal learns of the very round that did what it needs,
// though another may begin at the same moment.
func TestAimGivesTheFirstRoundOfTheGoal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go m.Run(ctx, nil)
		synctest.Wait()
		for weight := range int32(3) {
			want := everything(server("10.0.0.2:80", weight+1))
			goal := m.goal()
			goal.Desire = func(lvs.State) lvs.State { return want }
			first := m.Aim(goal)
			synctest.Wait() // the round is over before anybody asks for it
			if round := <-first; len(round.Results) == 0 || len(round.Want.Services) != 1 {
				t.Errorf("weight %d: the round did %q", weight+1, texts(round))
			}
		}
	})
}

func TestLedgerThatIsBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "owned.json")
	if err := os.WriteFile(path, []byte(`{"Services":["tcp here"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := reconcile.OpenLedger(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names the file", err)
	}
	if _, err := reconcile.OpenLedger(filepath.Dir(path)); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder in the ledger's place: %v", err)
	}
}

// syncBuffer is a log that the test reads while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Where the backup daemon silences IPVS, a change of role moves the daemons too, and
// IPVS speaks before the VIP comes.
func TestReaddressMovesDaemons(t *testing.T) {
	m := newMachine(t)
	state := func(role lvs.SyncRole) lvs.State {
		s := everything(server("10.0.0.2:80", 1))
		s.Silent, s.Daemons = true, map[lvs.SyncRole]lvs.SyncDaemon{role: {Role: role, Interface: "eth0"}}
		if role == lvs.SyncBackup {
			s.Addresses, s.Absent = nil, map[lvs.AddressKey]bool{vip: true}
		}
		return s
	}
	m.want = state(lvs.SyncBackup)
	goal := m.goal()
	goal.Addresses = func(map[lvs.AddressKey]lvs.Address) lvs.State {
		return lvs.State{Addresses: m.want.Addresses, Absent: m.want.Absent, Daemons: m.want.Daemons, Silent: true}
	}
	m.Aim(goal)
	m.ok()
	for _, tt := range []struct {
		role lvs.SyncRole
		want []string
	}{
		{lvs.SyncMaster, []string{
			"stop backup sync daemon 0 on eth0", "add address 192.0.2.1/32 on eth0", "start master sync daemon 0 on eth0 to 224.0.0.81:8848",
		}},
		{lvs.SyncBackup, []string{
			"delete address 192.0.2.1/32 on eth0", "start backup sync daemon 0 on eth0 to 224.0.0.81:8848", "stop master sync daemon 0 on eth0",
		}},
	} {
		m.want = state(tt.role)
		before := len(m.log.String())
		m.Readdress(t.Context())
		var ops []string
		for line := range strings.Lines(m.log.String()[before:]) {
			_, op, _ := strings.Cut(line, "msg=changed op=\"")
			ops = append(ops, strings.TrimSuffix(op, "\"\n"))
		}
		if diff := cmp.Diff(tt.want, ops); diff != "" {
			t.Errorf("operations (-want +got):\n%s", diff)
		}
		if r := m.ok(); len(r.Results) != 0 || r.Drift() != 0 {
			t.Errorf("a round still finds %q", texts(r))
		}
	}
}

// A change of role does not wait for a round, adds addresses only where the
// services are complete, and a round that began before does not undo it.
func TestReaddress(t *testing.T) {
	m := newMachine(t)
	active := everything(server("10.0.0.2:80", 1))
	standby := everything(server("10.0.0.2:80", 1))
	standby.Addresses, standby.Absent = nil, map[lvs.AddressKey]bool{vip: true}
	m.want = standby
	goal := m.goal()
	goal.Addresses = func(map[lvs.AddressKey]lvs.Address) lvs.State {
		return lvs.State{Addresses: m.want.Addresses, Absent: m.want.Absent}
	}
	m.Aim(goal)
	carried := func() bool {
		t.Helper()
		list, err := m.devices.Addresses()
		if err != nil {
			t.Fatal(err)
		}
		_, ok := list[vip]
		return ok
	}

	m.want = active
	m.Readdress(t.Context())
	if carried() {
		t.Error("the VIP came before the services")
	}
	m.want = standby
	m.ok()
	if claimed, err := os.ReadFile(m.ledger); err != nil || !strings.Contains(string(claimed), vip.Prefix.String()) {
		t.Errorf("a standby's ledger lacks the VIP, so that a takeover has to write it: %s %v", claimed, err)
	}
	m.want = active
	m.Readdress(t.Context())
	if !carried() || len(m.devices.Announced()) != 1 {
		t.Errorf("the VIP is there: %t, and was announced %d times, want 1", carried(), len(m.devices.Announced()))
	}
	m.want = standby
	m.Readdress(t.Context())
	if carried() {
		t.Error("the VIP is still there")
	}
	if err := m.devices.Add(lvs.Address{AddressKey: vip}); err != nil {
		t.Fatal(err)
	}
	if r := m.ok(); carried() || r.Drift() != 1 {
		t.Errorf("somebody else's VIP is there: %t, drift %d, want 1", carried(), r.Drift())
	}
}

// A round leaves to the next one what Readdress has looked at meanwhile. That is no
// error, of which people would be told, and no drift.
func TestReaddressBesideARound(t *testing.T) {
	m := newMachine(t)
	m.want = everything(server("10.0.0.2:80", 1))
	goal := m.goal()
	goal.Addresses = func(map[lvs.AddressKey]lvs.Address) lvs.State { return lvs.State{Addresses: m.want.Addresses} }
	beside := sync.OnceFunc(func() { m.Readdress(t.Context()) })
	goal.Desire = func(lvs.State) lvs.State {
		beside()
		return m.want
	}
	m.Aim(goal)
	add := "add address " + vip.String()
	if r := m.ok(); len(r.Outdated) != 1 || r.Outdated[0].String() != add || slices.Contains(texts(r), add) {
		t.Errorf("left %q to the next round and did %q", r.Outdated, texts(r))
	}
	if r := m.ok(); !slices.Equal(texts(r), []string{add}) || r.Drift() != 0 {
		t.Errorf("the next round did %q, of which %d are drift", texts(r), r.Drift())
	}
}

// Who takes over does not wait until the addresses are read: a round has. What others
// have done since is found by the round that follows, and after a failure the
// addresses are read again.
func TestReaddressKnowsTheAddresses(t *testing.T) {
	m := newMachine(t)
	active, standby := everything(server("10.0.0.2:80", 1)), everything(server("10.0.0.2:80", 1))
	standby.Addresses, standby.Absent = nil, map[lvs.AddressKey]bool{vip: true}
	m.want = standby
	goal := m.goal()
	goal.Addresses = func(map[lvs.AddressKey]lvs.Address) lvs.State {
		return lvs.State{Addresses: m.want.Addresses, Absent: m.want.Absent}
	}
	m.Aim(goal)
	m.ok()
	reads, broken := 0, false
	m.devices.Fail = func(op, _ string) error {
		if op == "list" {
			reads++
		}
		if op == "announce" && broken {
			return unix.ENETDOWN
		}
		return nil
	}
	carried := func() bool {
		t.Helper()
		list, err := m.devices.Addresses()
		if err != nil {
			t.Fatal(err)
		}
		_, ok := list[vip]
		return ok
	}
	for _, tt := range []struct {
		name    string
		want    lvs.State
		before  func()
		reads   int
		carried bool
	}{
		{"takes over", active, func() {}, 0, true},
		{"hands over", standby, func() {}, 0, false},
		{"takes over, and cannot say so", active, func() { broken = true }, 0, true},
		{"hands over after the failure", standby, func() { broken = false }, 1, false},
		{"takes over what somebody has added", active, func() {
			if err := m.devices.Add(lvs.Address{AddressKey: vip}); err != nil {
				t.Fatal(err)
			}
		}, 0, true},
		{"hands over what somebody has taken", standby, func() {
			if err := m.devices.Delete(vip); err != nil {
				t.Fatal(err)
			}
		}, 0, false},
	} {
		tt.before()
		m.want, reads = tt.want, 0
		m.Readdress(t.Context())
		read := reads
		if read != tt.reads || carried() != tt.carried {
			t.Errorf("%s: read %d times, want %d; the VIP is there: %t", tt.name, read, tt.reads, carried())
		}
		if broken {
			continue // the next one is to follow at once
		}
		if m.ok(); carried() != tt.carried {
			t.Errorf("%s: after a round the VIP is there: %t", tt.name, carried())
		}
	}
}

// An interface for an address comes and goes with the role, also after a crash
// between the two, and beside a round as in one.
func TestReaddressWithInterface(t *testing.T) {
	m := newMachine(t)
	link := lvs.VirtualLink{Name: "lvsd.51", Base: "eth0", MAC: "00:00:5e:00:01:33"}
	there := lvs.AddressKey{Interface: link.Name, Prefix: vip.Prefix}
	active, standby := everything(server("10.0.0.2:80", 1)), everything(server("10.0.0.2:80", 1))
	active.Addresses = map[lvs.AddressKey]lvs.Address{there: {AddressKey: there}}
	active.Links = map[string]lvs.VirtualLink{link.Name: link}
	standby.Addresses, standby.Absent = nil, map[lvs.AddressKey]bool{there: true}
	aim := func() {
		goal := m.goal()
		goal.Addresses = func(map[lvs.AddressKey]lvs.Address) lvs.State {
			return lvs.State{Addresses: m.want.Addresses, Absent: m.want.Absent, Links: m.want.Links}
		}
		m.Aim(goal)
	}
	holds := func(when string, want bool) {
		t.Helper()
		links, err := m.devices.VirtualLinks()
		if err != nil {
			t.Fatal(err)
		}
		addresses, err := m.devices.Addresses()
		if err != nil {
			t.Fatal(err)
		}
		_, carried := addresses[there]
		if (links[link.Name] == link) != want || carried != want {
			t.Errorf("%s: interfaces %v, its address is there: %t", when, links, carried)
		}
	}
	m.want = standby
	aim()
	m.ok()
	m.want = active
	m.Readdress(t.Context())
	holds("active", true)
	m.ok()
	holds("active, after a round", true)
	m.restart()
	m.want = standby
	aim()
	m.Readdress(t.Context())
	holds("standby, after a crash", false)
	m.want = active
	m.ok()
	holds("active by a round", true)
	m.want = standby
	m.ok()
	holds("standby by a round", false)
}
