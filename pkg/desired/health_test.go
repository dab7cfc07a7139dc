package desired_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/health/check"
	"github.com/lvsd/lvsd/pkg/lvs"
)

var start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// checked gives every server of a service a check.
func checked(v config.Virtual) config.Virtual {
	for i := range v.Real {
		v.Real[i].Checks = []config.Check{{Name: "check", Spec: &check.TCP{}}}
	}
	return v
}

// web is a service of three servers and a fallback.
func web(change ...func(*config.Virtual)) config.Virtual {
	v := checked(virtual(tcp("192.0.2.1:80"),
		backend("10.0.0.1", lvs.DR, 1), backend("10.0.0.2", lvs.DR, 2), backend("10.0.0.3", lvs.DR, 3)))
	v.Fallback = []config.Real{backend("127.0.0.1", lvs.DR, 1)}
	for _, f := range change {
		f(&v)
	}
	return v
}

func removing(v *config.Virtual)        { v.Quiescent = false }
func withoutFallback(v *config.Virtual) { v.Fallback = nil }
func quorum(w, h int64) func(*config.Virtual) {
	return func(v *config.Virtual) { v.Quorum = health.Quorum{Weight: w, Hysteresis: h} }
}
func minAvailable(n int) func(*config.Virtual) {
	return func(v *config.Virtual) { v.MinAvailable = n }
}
func slowStart(v *config.Virtual) { v.SlowStart = 30 * time.Second }
func off(i int) func(*config.Virtual) {
	return func(v *config.Virtual) { v.Real[i].Checks = []config.Check{{Spec: &check.Off{}}} }
}

// input says of each server in order u(p), d(own) or ? with the state's age, and
// which weights the kernel has: -1 is none. A fourth one is the fallback's.
func input(v config.Virtual, states string, kernel ...int32) desired.Input {
	in := desired.Input{Now: start, Health: desired.Health{
		Checks: map[desired.ServerKey][]health.Key{}, Snapshot: health.Snapshot{},
	}}
	key := v.Keys[0]
	for i, r := range v.Real {
		k := health.Key(r.Address.String())
		in.Health.Checks[desired.ServerKey{Service: key, Server: r.Server(key).Key}] = []health.Key{k}
		state := map[byte]health.State{'u': health.Up, 'd': health.Down, '?': health.Unknown}[states[i]]
		in.Health.Snapshot[k] = health.Status{State: state, Since: start.Add(-time.Hour)}
	}
	service := lvs.Service{Key: key}
	for i, weight := range kernel {
		all := append(append([]config.Real{}, v.Real...), v.Fallback...)
		if weight >= 0 {
			s := all[i].Server(key)
			s.Weight = weight
			service.Servers = append(service.Servers, s)
		}
	}
	if len(kernel) > 0 {
		in.Known = map[lvs.ServiceKey]lvs.Service{key: service}
	}
	return in
}

func TestHealth(t *testing.T) {
	const a, b, c, f = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "127.0.0.1:80"
	dead := withoutFallback
	tests := []struct {
		name    string
		virtual config.Virtual
		states  string
		kernel  []int32
		want    map[string]int32
	}{
		{"all are up", web(), "uuu", nil, map[string]int32{a: 1, b: 2, c: 3}},
		{"one is down", web(), "udu", nil, map[string]int32{a: 1, b: 0, c: 3}},
		{"one is down and goes", web(removing), "udu", nil, map[string]int32{a: 1, c: 3}},
		{"all are down", web(), "ddd", nil, map[string]int32{a: 0, b: 0, c: 0, f: 1}},
		{"all are down and go", web(removing), "ddd", nil, map[string]int32{f: 1}},
		{"all are down without a fallback", web(withoutFallback), "ddd", nil, map[string]int32{a: 0, b: 0, c: 0}},

		{"new servers wait", web(dead), "???", nil, map[string]int32{a: 0, b: 0, c: 0}},
		{"new servers wait outside", web(dead, removing), "???", nil, map[string]int32{}},
		{"known servers keep their weight", web(dead), "???", []int32{1, 0, 7}, map[string]int32{a: 1, b: 0, c: 7}},
		{"a new one beside known ones waits", web(dead), "???", []int32{1, -1, 3}, map[string]int32{a: 1, b: 0, c: 3}},
		{"a restart with the fallback in use", web(), "???", []int32{0, 0, 0, 1}, map[string]int32{a: 0, b: 0, c: 0, f: 1}},
		{"a restart with the fallback alone", web(removing), "???", []int32{-1, -1, -1, 1}, map[string]int32{f: 1}},
		{"the first result counts", web(), "?du", []int32{1, 2, 0}, map[string]int32{a: 1, b: 0, c: 3}},

		{"off is down at once", web(off(0)), "???", []int32{1, 2, 3}, map[string]int32{a: 0, b: 2, c: 3}},

		{"above the quorum", web(quorum(3, 0)), "uud", nil, map[string]int32{a: 1, b: 2, c: 0}},
		{"below the quorum", web(quorum(4, 0)), "uud", nil, map[string]int32{a: 0, b: 0, c: 0, f: 1}},
		{"below the quorum without a fallback", web(quorum(4, 0), withoutFallback), "uud", nil, map[string]int32{a: 1, b: 2, c: 0}},
		{"within the hysteresis from above", web(quorum(4, 1)), "uud", []int32{1, 2, 3}, map[string]int32{a: 1, b: 2, c: 0}},
		{"within the hysteresis from below", web(quorum(4, 1)), "udu", []int32{0, 0, 0, 1}, map[string]int32{a: 0, b: 0, c: 0, f: 1}},
		{"servers below the quorum are not removed", web(quorum(4, 0), removing), "uud", nil, map[string]int32{a: 0, b: 0, f: 1}},
		{"a restart below the quorum", web(quorum(4, 0)), "u??", []int32{0, 0, 0, 1}, map[string]int32{a: 0, b: 0, c: 0, f: 1}},

		{"enough are available", web(minAvailable(60)), "uud", nil, map[string]int32{a: 1, b: 2, c: 0}},
		{"too few are available", web(minAvailable(67)), "uud", nil, map[string]int32{a: 1, b: 2, c: 3}},
		{"none is available", web(minAvailable(1)), "ddd", nil, map[string]int32{a: 1, b: 2, c: 3}},
		{"a failure waits for the unknown ones", web(minAvailable(60)), "d?u", []int32{1, 2, 3}, map[string]int32{a: 1, b: 2, c: 3}},
		{"unless they cannot change it", web(minAvailable(30)), "d?u", []int32{1, 2, 3}, map[string]int32{a: 0, b: 2, c: 3}},
		{"no new server serves because of others", web(minAvailable(60), dead), "d??", nil, map[string]int32{a: 0, b: 0, c: 0}},
		{"what is off does not count", web(minAvailable(60), off(2)), "uud", nil, map[string]int32{a: 1, b: 2, c: 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := desired.Build(&config.Config{Virtual: []config.Virtual{tt.virtual}}, input(tt.virtual, tt.states, tt.kernel...))
			if diff := cmp.Diff(tt.want, weights(state, tt.virtual.Keys[0])); diff != "" {
				t.Errorf("weights (-want +got):\n%s", diff)
			}
		})
	}
}

func weights(s lvs.State, key lvs.ServiceKey) map[string]int32 {
	m := map[string]int32{}
	for _, r := range s.Services[key].Servers {
		m[r.Key.String()] = r.Weight
	}
	return m
}

// The quorum is remembered from one judgement to the next, whatever the kernel
// has.
func TestQuorumIsRemembered(t *testing.T) {
	v := web(quorum(3, 1), withoutFallback)
	c := &config.Config{Virtual: []config.Virtual{v}}
	in := input(v, "uud") // 3
	for _, step := range []struct {
		states string
		lost   bool
	}{{"uud", false}, {"udd", true}, {"uud", true}, {"duu", false}, {"uud", false}} {
		in.Health.Snapshot = input(v, step.states).Health.Snapshot
		verdict := desired.Judge(c, in)
		if got := verdict.Services[v.Keys[0]].Lost; got != step.lost {
			t.Errorf("%s: lost %t, want %t", step.states, got, step.lost)
		}
		in.Health.Lost = verdict.Lost()
	}
}

func TestSlowStart(t *testing.T) {
	v := web(slowStart)
	v.Real[2].Weight = 10
	c := &config.Config{Virtual: []config.Virtual{v}}
	in := input(v, "uuu", 0, 2, 0)
	key := health.Key("10.0.0.3")
	status := in.Health.Snapshot[key]
	status.Since = start
	in.Health.Snapshot[key] = status
	var got []int32
	for range 11 {
		verdict := desired.Judge(c, in)
		got = append(got, weights(desired.Build(c, in), v.Keys[0])["10.0.0.3:80"])
		in.Known = desired.Build(c, in).Services
		if in.Now = verdict.Next; verdict.Next.IsZero() {
			break
		}
	}
	if diff := cmp.Diff([]int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, got); diff != "" {
		t.Errorf("weights, each when the one before said (-want +got):\n%s", diff)
	}
	// A daemon that starts finds servers at work: they do not begin anew.
	in = input(v, "uuu", 1, 2, 10)
	in.Health.Snapshot[key] = status
	if got := weights(desired.Build(c, in), v.Keys[0])["10.0.0.3:80"]; got != 10 {
		t.Errorf("a server with weight 10 in the kernel gets %d", got)
	}
}

func TestDynamicWeight(t *testing.T) {
	v := web()
	c := &config.Config{Virtual: []config.Virtual{v}}
	in := input(v, "uuu")
	for addr, weight := range map[health.Key]int32{"10.0.0.1": 50, "10.0.0.2": 0} {
		s := in.Health.Snapshot[addr]
		s.Weight = &weight
		in.Health.Snapshot[addr] = s
	}
	want := map[string]int32{"10.0.0.1:80": 50, "10.0.0.2:80": 0, "10.0.0.3:80": 3}
	if diff := cmp.Diff(want, weights(desired.Build(c, in), v.Keys[0])); diff != "" {
		t.Errorf("weights (-want +got):\n%s", diff)
	}
}

func TestChecksOf(t *testing.T) {
	v := virtual(tcp("192.0.2.1:80"), backend("10.0.0.1", lvs.DR, 1))
	v.Keys = append(v.Keys, tcp("192.0.2.1:443"))
	timing := health.Timing{}.WithDefaults()
	v.Real[0].Checks = []config.Check{
		{Name: "alive", Spec: &check.ICMP{}, Timing: timing, Port: 9},
		{Name: "own", Spec: &check.TCP{}, Timing: timing, Port: 8080, Address: netip.MustParseAddr("10.0.0.9"), Mark: 5},
		{Name: "server", Spec: &check.TCP{}, Timing: timing},
		{Name: "vip", Spec: &check.TCP{}, Timing: timing, ViaVIP: true},
	}
	c := &config.Config{Virtual: []config.Virtual{v}}
	got, err := desired.ChecksOf(c, func(netip.Addr) netip.Addr { return netip.MustParseAddr("10.0.0.254") })
	if err != nil {
		t.Fatal(err)
	}
	helpers := desired.Helpers(c)
	if len(helpers) != 2 || helpers[0].Service.Mark>>24 != 0x4c || helpers[0].Service == helpers[1].Service {
		t.Fatalf("helpers: %v", helpers)
	}
	var targets []string
	for _, w := range got.Wanted {
		targets = append(targets, w.Name)
		if through := w.Target.Address == v.Keys[0].VIP.Addr(); through != (w.Target.Mark > 5) ||
			through != (w.Target.Source == netip.MustParseAddr("10.0.0.254")) {
			t.Errorf("%s: mark %#x source %s", w.Name, w.Target.Mark, w.Target.Source)
		}
	}
	want := []string{
		"icmp 10.0.0.1:9", "tcp 10.0.0.9:8080", "tcp 10.0.0.1:80", "tcp 192.0.2.1:80",
		"icmp 10.0.0.1:9", "tcp 10.0.0.9:8080", "tcp 10.0.0.1:443", "tcp 192.0.2.1:443",
	}
	if diff := cmp.Diff(want, targets); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestHelperServices(t *testing.T) {
	v := virtual(tcp("192.0.2.1:80"), backend("10.0.0.1", lvs.DR, 5), backend("10.0.0.2", lvs.NAT, 5))
	for i := range v.Real {
		v.Real[i].Port = 80
		v.Real[i].Checks = []config.Check{{Spec: &check.TCP{}, ViaVIP: true}}
	}
	c := &config.Config{Virtual: []config.Virtual{v}}
	state := desired.Build(c, desired.Input{})
	var got []string
	for _, h := range desired.Helpers(c) {
		for _, s := range state.Services[h.Service].Servers {
			got = append(got, s.Key.String()+" "+s.ServerSettings.String())
		}
	}
	if diff := cmp.Diff([]string{"10.0.0.1:0 dr weight 1", "10.0.0.2:80 nat weight 1"}, got); diff != "" {
		t.Errorf("servers of the helpers (-want +got):\n%s", diff)
	}
	// Another server changes nothing for those that are there.
	more := v
	more.Real = append([]config.Real{backend("10.0.0.0", lvs.DR, 1)}, v.Real...)
	more.Real[0].Checks = v.Real[0].Checks
	for _, h := range desired.Helpers(&config.Config{Virtual: []config.Virtual{more}}) {
		if _, was := state.Services[h.Service]; was != (h.For.Server != netip.MustParseAddrPort("10.0.0.0:80")) {
			t.Errorf("helper of %s: was there before: %t", h.For.Server, was)
		}
	}
}

// The answers to checks through a VIP that is the director's own come in over lo;
// another director's VIP needs nothing.
func TestDetours(t *testing.T) {
	vip, own := netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddr("10.0.0.9")
	asks := []desired.Ask{{Protocol: lvs.TCP, VIP: vip, Source: own}}
	tests := []struct {
		name string
		host desired.Host
		want []string
	}{
		{"standby", host("10.0.0.9/24"), nil},
		{"active", host("10.0.0.9/24", "192.0.2.1/32"), []string{"eth0"}},
		{"the source is on no interface but lo", host("10.1.0.1/24", "192.0.2.1/32"), []string{"eth0", "eth1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := desired.Build(&config.Config{}, desired.Input{Host: tt.host, Asks: asks})
			var got []string
			for d := range state.Detours {
				if d.From != vip || d.To != own || d.Protocol != lvs.TCP {
					t.Errorf("detour %s", d)
				}
				got = append(got, d.Interface)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("interfaces (-want +got):\n%s", diff)
			}
			if _, accept := state.Sysctls["net.ipv4.conf.lo.accept_local"]; accept != (len(tt.want) > 0) {
				t.Errorf("accept_local: %t", accept)
			}
		})
	}
}
