package status

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/health/check"
	"github.com/lvsd/lvsd/pkg/lvs"
)

var update = flag.Bool("update", false, "write what is got to the golden files")

var (
	web4 = lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
	web6 = lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("[2001:db8::1]:80"))
	dns  = lvs.AddrKey(lvs.UDP, netip.MustParseAddrPort("192.0.2.1:53"))
	mark = lvs.MarkKey(7, lvs.IPv4)
)

func real(name, address string, weight int32) config.Real {
	return config.Real{Name: name, Address: netip.MustParseAddr(address), Forwarding: lvs.DR, Weight: weight}
}

func inKernel(address string, weight int32) lvs.Server {
	return lvs.Server{Key: netip.MustParseAddrPort(address), ServerSettings: lvs.ServerSettings{Forwarding: lvs.DR, Weight: weight}}
}

func virtual(name string, reals []config.Real, keys ...lvs.ServiceKey) config.Virtual {
	return config.Virtual{Name: name, Keys: keys, Settings: lvs.Settings{Scheduler: "wrr", Netmask: 32}, Real: reals}
}

func service4(servers ...lvs.Server) lvs.Service {
	return lvs.Service{Key: web4, Settings: lvs.Settings{Scheduler: "wrr", Netmask: 32}, Servers: servers}
}

func carried(prefix string) map[lvs.AddressKey]lvs.Address {
	key := lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix(prefix)}
	return map[lvs.AddressKey]lvs.Address{key: {AddressKey: key}}
}

type build struct {
	name     string
	config   config.Config
	observed Observed
}

// checked is a service with a check through the VIP, of which one server fails.
func checked() build {
	v := virtual("web", []config.Real{real("web1", "10.0.0.1", 1), real("web2", "10.0.0.2", 2)}, web4)
	for i := range v.Real {
		v.Real[i].Checks = []config.Check{{Name: "check", Spec: &check.HTTP{}, Timing: health.Timing{}.WithDefaults(), ViaVIP: true}}
	}
	b := build{name: "health", config: config.Config{Virtual: []config.Virtual{v}}}
	checks, _ := desired.ChecksOf(&b.config, func(netip.Addr) netip.Addr { return netip.Addr{} })
	b.observed.Services = []lvs.Service{service4(inKernel("10.0.0.1:80", 1), inKernel("10.0.0.2:80", 0))}
	b.observed.Services = append(b.observed.Services, lvs.Service{Key: desired.Helpers(&b.config)[0].Service})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	snapshot := health.Snapshot{
		checks.Wanted[0].Key: {Name: checks.Wanted[0].Name, State: health.Up, Since: at, Last: health.Probe{At: at, Duration: time.Millisecond, OK: true}},
		checks.Wanted[1].Key: {Name: checks.Wanted[1].Name, State: health.Down, Since: at, Flapping: true, Output: "hm",
			Last: health.Probe{At: at, Duration: time.Second, Error: "no answer in time"}},
	}
	b.observed.Health = desired.Health{Checks: checks.Of, Snapshot: snapshot}
	b.observed.Verdict = desired.Judge(&b.config, desired.Input{Health: b.observed.Health})
	return b
}

func TestProbesOf(t *testing.T) {
	b := checked()
	got := ProbesOf(&b.config, b.observed.Health, "web", "web2")
	if len(got) != 1 || got[0].Check.State != health.Down || got[0].Key == "" || got[0].Probes == nil {
		t.Errorf("got %+v", got)
	}
	got[0].Add([]health.Probe{{Duration: time.Second}})
	if len(got[0].Probes) != 1 || got[0].Probes[0].Seconds != 1 {
		t.Errorf("got %+v", got[0].Probes)
	}
	if got := ProbesOf(&b.config, b.observed.Health, "web", "web3"); got != nil {
		t.Errorf("of nobody: got %+v", got)
	}
}

// Each case has a golden file in testdata with the status as `lvsd status --json`
// prints it.
func TestBuild(t *testing.T) {
	twoServers := []config.Real{real("web1", "10.0.0.1", 1), real("web2", "10.0.0.2", 2)}
	withFallback := virtual("web", twoServers, web4)
	withFallback.Fallback = []config.Real{real("fallback", "127.0.0.1", 1)}
	tunnel := lvs.Server{Key: netip.MustParseAddrPort("10.0.0.1:80"), ServerSettings: lvs.ServerSettings{
		Forwarding: lvs.TUN, Tunnel: lvs.Tunnel{Type: lvs.GUE, Port: 6080}, Weight: 3, Upper: 9, Lower: 4,
	}}
	for _, test := range []build{
		{name: "nothing"},
		{
			name:     "as-configured",
			config:   config.Config{Virtual: []config.Virtual{virtual("web", twoServers, web4)}},
			observed: Observed{Services: []lvs.Service{service4(inKernel("10.0.0.1:80", 1), inKernel("10.0.0.2:80", 2))}},
		},
		{
			name:   "missing",
			config: config.Config{Virtual: []config.Virtual{virtual("web", twoServers, web4)}},
		},
		{
			name:     "one-server-quiesced-one-missing-one-strange",
			config:   config.Config{Virtual: []config.Virtual{virtual("web", twoServers, web4)}},
			observed: Observed{Services: []lvs.Service{service4(inKernel("10.0.0.2:80", 0), inKernel("10.0.0.9:80", 5))}},
		},
		{
			name:     "fallback-in-use",
			config:   config.Config{Virtual: []config.Virtual{withFallback}},
			observed: Observed{Services: []lvs.Service{service4(inKernel("10.0.0.1:80", 0), inKernel("10.0.0.2:80", 0), inKernel("127.0.0.1:80", 1))}},
		},
		{
			name:   "foreign-after-ours",
			config: config.Config{Virtual: []config.Virtual{virtual("web", twoServers[:1], web4)}},
			observed: Observed{Services: []lvs.Service{
				{Key: mark, Settings: lvs.Settings{Scheduler: "rr"}},
				{Key: dns, Settings: lvs.Settings{Scheduler: "rr"}, Servers: []lvs.Server{inKernel("10.0.0.7:53", 1)}},
				service4(inKernel("10.0.0.1:80", 1)),
			}},
		},
		checked(),
		{
			name: "everything",
			config: config.Config{
				Director:  config.Director{Name: "lb1"},
				Virtual:   []config.Virtual{virtual("web", twoServers[:1], web4)},
				Addresses: []lvs.Address{{AddressKey: lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.1/32")}}},
			},
			observed: Observed{
				Services: []lvs.Service{{
					Key: web4, Servers: []lvs.Server{tunnel},
					Settings: lvs.Settings{Scheduler: "sh", Flags: schedulerFlag(t, "sh", "sh-port"), Persistence: 5 * time.Minute, Netmask: 24, Engine: "sip"},
				}},
				Stats: map[lvs.ServiceKey]lvs.ServiceStats{web4: {
					Counters: lvs.Counters{Connections: 1, PacketsIn: 2, PacketsOut: 3, BytesIn: 4, BytesOut: 1 << 63},
					Rates:    lvs.Rates{Connections: 6, PacketsIn: 7, PacketsOut: 8, BytesIn: 9, BytesOut: 10},
					Servers: map[netip.AddrPort]lvs.ServerStats{tunnel.Key: {
						Active: 11, Inactive: 12, Persistent: 13,
						Counters: lvs.Counters{Connections: 14}, Rates: lvs.Rates{BytesOut: 15},
					}},
				}},
				Addresses: carried("192.0.2.1/32"),
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := json.MarshalIndent(Build(&test.config, test.observed), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, test.name, string(got)+"\n")
		})
	}
}

func schedulerFlag(t *testing.T, scheduler, word string) lvs.Flags {
	t.Helper()
	flag, ok := lvs.ParseSchedulerFlag(scheduler, word)
	if !ok {
		t.Fatalf("%s has no flag %s", scheduler, word)
	}
	return flag
}

// Daemons that run beside those that should, by the role.
func TestSyncDaemons(t *testing.T) {
	c := config.Config{
		VRRP: []config.VRRP{{Name: "front"}},
		Sync: &config.Sync{Mode: config.SyncFollow, Daemon: lvs.SyncDaemon{Interface: "eth1", ID: 51}},
	}
	daemon := func(role lvs.SyncRole, id uint8) lvs.SyncDaemon {
		return lvs.SyncDaemon{Role: role, Interface: "eth1", ID: id}
	}
	sync := func(role lvs.SyncRole, id uint8, wanted, running bool) SyncDaemon {
		return SyncDaemon{Role: role, Interface: "eth1", ID: id, Wanted: wanted, Running: running}
	}
	active := map[string]lvs.Role{"front": lvs.Active}
	for _, test := range []struct {
		name  string
		roles map[string]lvs.Role
		have  []lvs.SyncDaemon
		want  []SyncDaemon
	}{
		{"as it should be", active, []lvs.SyncDaemon{daemon(lvs.SyncMaster, 51)}, []SyncDaemon{sync(lvs.SyncMaster, 51, true, true)}},
		{"missing", active, nil, []SyncDaemon{sync(lvs.SyncMaster, 51, true, false)}},
		{"too many", active, []lvs.SyncDaemon{daemon(lvs.SyncMaster, 51), daemon(lvs.SyncBackup, 51)},
			[]SyncDaemon{sync(lvs.SyncMaster, 51, true, true), sync(lvs.SyncBackup, 51, false, true)}},
		{"another id", active, []lvs.SyncDaemon{daemon(lvs.SyncMaster, 7)}, []SyncDaemon{sync(lvs.SyncMaster, 7, false, true), sync(lvs.SyncMaster, 51, true, false)}},
		{"no daemon of ours runs", nil, []lvs.SyncDaemon{daemon(lvs.SyncBackup, 51)}, []SyncDaemon{sync(lvs.SyncBackup, 51, false, true)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Build(&c, Observed{Roles: test.roles, Daemons: test.have}).SyncDaemons
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWarnings(t *testing.T) {
	const why = " and neither [vip] nor [vrrp] adds it, so no packet for it arrives here"
	web := virtual("web", nil, web4, web6, dns)
	for _, test := range []struct {
		name   string
		config config.Config
		have   string
		want   []string
	}{
		{"on no interface", config.Config{Virtual: []config.Virtual{web}}, "10.0.0.1/24", []string{
			"virtual web: no interface carries 192.0.2.1" + why,
			"virtual web: no interface carries 2001:db8::1" + why,
		}},
		{"on an interface with any prefix", config.Config{Virtual: []config.Virtual{web}}, "192.0.2.1/24", []string{
			"virtual web: no interface carries 2001:db8::1" + why,
		}},
		{"added by [vip]", config.Config{
			Virtual:   []config.Virtual{web},
			Addresses: []lvs.Address{{AddressKey: lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix("2001:db8::1/128")}}},
		}, "192.0.2.1/32", []string{}},
		{"a firewall mark has no address", config.Config{Virtual: []config.Virtual{virtual("m", nil, mark)}}, "10.0.0.1/24", []string{}},
		{"each service", config.Config{Virtual: []config.Virtual{virtual("a", nil, web4), virtual("b", nil, dns)}}, "10.0.0.1/24", []string{
			"virtual a: no interface carries 192.0.2.1" + why,
			"virtual b: no interface carries 192.0.2.1" + why,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Warnings(&test.config, carried(test.have))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The names of the JSON form are a promise: programs read them. A name may be
// added; one that changes or goes breaks them.
func TestSchema(t *testing.T) {
	names := schema(reflect.TypeFor[Status](), "")
	slices.Sort(names)
	golden(t, "schema", "[\n  \""+strings.Join(names, "\",\n  \"")+"\"\n]\n")
}

// schema gives the path of every field with its JSON kind.
func schema(t reflect.Type, path string) []string {
	if kind := kindOf(t); kind != "" {
		return []string{path + " " + kind}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schema(t.Elem(), path)
	case reflect.Slice:
		return schema(t.Elem(), path+"[]")
	}
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			names = append(names, schema(f.Type, path)...)
			continue
		}
		names = append(names, schema(f.Type, path+"."+f.Tag.Get("json"))...)
	}
	return names
}

// kindOf is "" for what has parts.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time, RFC 3339"
	case t.Implements(reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()):
		return "string"
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Struct:
		return ""
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	}
	return "number"
}
