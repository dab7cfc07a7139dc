package config

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lvsd/lvsd/pkg/health"
)

// asValues lets cmp compare what keeps its fields to itself.
var asValues = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})

var update = flag.Bool("update", false, "write what is got to the golden files")

// hosts answers like a resolver whose world is a map, the way /etc/hosts is.
type hosts map[string][]string

var testHosts = hosts{
	"web1.example":  {"10.0.0.1"},
	"web6.example":  {"2001:db8::6"},
	"dual.example":  {"10.0.0.2", "2001:db8::2"},
	"round.example": {"10.0.0.9", "10.0.0.8"},
	"localhost":     {"127.0.0.1", "::1"},
}

func (h hosts) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, s := range h[host] {
		a := netip.MustParseAddr(s)
		if network == "ip" || network == "ip4" && a.Is4() || network == "ip6" && a.Is6() {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

func (hosts) LookupPort(_ context.Context, network, service string) (int, error) {
	if port, ok := map[string]int{"http": 80, "https": 443}[service]; ok {
		return port, nil
	}
	return 0, &net.DNSError{Err: "unknown port", Name: network + "/" + service, IsNotFound: true}
}

// cases gives the configurations below a directory: files NAME.toml, and
// directories with a director.toml.
func cases(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.toml"))
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(dir, "*", "director.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		all[strings.TrimSuffix(filepath.Base(f), ".toml")] = f
	}
	for _, f := range dirs {
		all[filepath.Base(filepath.Dir(f))] = f
	}
	if len(all) == 0 {
		t.Fatalf("no cases in %s", dir)
	}
	return all
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestInvalid(t *testing.T) {
	for name, file := range cases(t, "testdata/invalid") {
		t.Run(name, func(t *testing.T) {
			cfg, err := Load(t.Context(), file, testHosts)
			var all Errors
			if !errors.As(err, &all) || cfg != nil {
				t.Fatalf("got %v, %v; want Errors and no Config", cfg, err)
			}
			for _, e := range all {
				if e.Position.File == "" {
					t.Errorf("no position: %v", e)
				}
			}
			got := strings.ReplaceAll(all.Error(), filepath.Dir(file)+"/", "") + "\n"
			golden(t, filepath.Join("testdata/invalid", name+".golden"), got)
		})
	}
}

func TestValid(t *testing.T) {
	for name, file := range cases(t, "testdata/valid") {
		t.Run(name, func(t *testing.T) {
			cfg, err := Load(t.Context(), file, testHosts)
			if err != nil {
				t.Fatal(err)
			}
			checkInvariants(t, cfg)
			golden(t, filepath.Join("testdata/valid", name+".golden"), render(cfg))
		})
	}
}

// render writes a Config as a person would read it.
func render(cfg *Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "director %s resync %s state_dir %s data_dir %s group %q %d watch %t on_stop %s unmanaged %s\n", cfg.Director.Name,
		cfg.Director.Resync, cfg.Director.StateDir, cfg.Director.DataDir, cfg.Director.Group, cfg.Director.GID, cfg.Director.Watch, cfg.Director.OnStop, cfg.Director.Unmanaged)
	for _, v := range cfg.Virtual {
		fmt.Fprintf(&b, "virtual %s %s netmask %d quiescent %t snat %t\n", v.Name, v.Settings, v.Netmask, v.Quiescent, v.SNAT)
		if v.Quorum != (health.Quorum{}) || v.MinAvailable > 0 || v.SlowStart > 0 {
			fmt.Fprintf(&b, "  quorum %d±%d min_available %d slow_start %s\n", v.Quorum.Weight, v.Quorum.Hysteresis, v.MinAvailable, v.SlowStart)
		}
		for _, k := range v.Keys {
			fmt.Fprintf(&b, "  %s\n", k)
			for _, r := range v.Real {
				fmt.Fprintf(&b, "    %s: %s %s\n", r.Name, r.Server(k).Key, r.Server(k).ServerSettings)
				renderChecks(&b, r.Checks)
			}
			for _, r := range v.Fallback {
				fmt.Fprintf(&b, "    %s: %s %s\n", r.Name, r.Server(k).Key, r.Server(k).ServerSettings)
			}
		}
	}
	for _, a := range cfg.Addresses {
		fmt.Fprintf(&b, "address %s label %q nodad %t\n", a.AddressKey, a.Label, a.NoDAD)
	}
	for _, v := range cfg.VRRP {
		fmt.Fprintf(&b, "vrrp %+v\n", v)
	}
	if cfg.Sync != nil {
		fmt.Fprintf(&b, "sync %+v\n", *cfg.Sync)
	}
	for _, p := range cfg.Masquerade {
		fmt.Fprintf(&b, "masquerade %s\n", p)
	}
	fmt.Fprintf(&b, "timeouts %s\n", cfg.Timeouts)
	for _, r := range cfg.Notify {
		fmt.Fprintf(&b, "notify %s\n  %s\n", r.Name, asJSON(r))
	}
	if g := cfg.Guard; g != nil {
		fmt.Fprintf(&b, "guard %s mode %s enforce %t on_stop %s sample %d\n", g.Interfaces, g.Mode, g.Enforce, g.OnStop, g.Sample)
		fmt.Fprintf(&b, "  allow %s %s\n  block %s %s\n  open %s\n", g.Allow.Prefixes, g.Allow.Files, g.Block.Prefixes, g.Block.Files, g.OpenPorts)
		for _, v := range cfg.Virtual {
			fmt.Fprintf(&b, "  %s %+v\n", v.Name, v.Limits)
		}
	}
	for _, f := range cfg.Files {
		fmt.Fprintf(&b, "file %s\n", f)
	}
	return b.String()
}

func renderChecks(b *strings.Builder, checks []Check) {
	for _, c := range checks {
		spec, _ := json.Marshal(c.Spec)
		fmt.Fprintf(b, "      %s: %s %s %s", c.Name, c.Spec.Kind(), spec, c.Timing)
		if c.ViaVIP {
			b.WriteString(" via vip")
		}
		if c.Address.IsValid() {
			fmt.Fprintf(b, " to %s", c.Address)
		}
		if c.Port != 0 {
			fmt.Fprintf(b, " port %d", c.Port)
		}
		if c.Source.IsValid() {
			fmt.Fprintf(b, " from %s", c.Source)
		}
		if c.Mark != 0 {
			fmt.Fprintf(b, " mark %#x", c.Mark)
		}
		b.WriteString("\n")
	}
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
