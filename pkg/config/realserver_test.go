package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func loadRealServer(t *testing.T, source string) (*RealServer, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "realserver.toml")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := LoadRealServer(path)
	if err != nil {
		return nil, &textError{strings.ReplaceAll(err.Error(), path, "FILE")}
	}
	return s, nil
}

type textError struct{ text string }

func (e *textError) Error() string { return e.text }

func TestLoadRealServer(t *testing.T) {
	got, err := loadRealServer(t, `
vip = ["192.0.2.10", "2001:db8::10"]
forwarding = "tun"
tunnel = { type = "gue", port = 6080, checksum = "remote" }
local = ["10.0.0.2"]
interface = "eth0"
director = "10.0.0.1"
set_route = true
mss = 1400
clamp = false
port = ["80", "udp/53"]
state_dir = "/tmp/x"
`)
	if err != nil {
		t.Fatal(err)
	}
	want := &RealServer{
		VIPs:       []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")},
		Forwarding: lvs.TUN,
		Tunnel:     lvs.Tunnel{Type: lvs.GUE, Port: 6080, Checksum: lvs.RemoteChecksum},
		Local:      []netip.Addr{netip.MustParseAddr("10.0.0.2")},
		Interfaces: []string{"eth0"},
		Director:   netip.MustParseAddr("10.0.0.1"),
		SetRoute:   true,
		MSS:        1400,
		Ports:      []Port{{lvs.TCP, 80}, {lvs.UDP, 53}},
		StateDir:   "/tmp/x",
	}
	if diff := cmp.Diff(want, got, asValues); diff != "" {
		t.Errorf("real server (-want +got):\n%s", diff)
	}
}

func TestLoadRealServerErrors(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"empty", "", "FILE: nothing is asked for: neither vip nor director is given"},
		{"not TOML", "vip", "FILE:1:3: not TOML: "},
		{"unknown key", "vips = []", `FILE:1:1: unknown key "vips" (did you mean "vip"?)`},
		{"not an address", "vip = \"web\"", `FILE:1:7: "web" is not an address; expected an IPv4 or IPv6 address`},
		{"not one host's", "vip = [\"224.0.0.1\"]", "FILE:1:8: 224.0.0.1 is a multicast address; expected the address of one host"},
		{"a tunnel without tun", "vip = \"192.0.2.1\"\ntunnel = \"gre\"", "FILE:2:10: a tunnel has no effect with forwarding dr; expected forwarding = \"tun\""},
		{"gue without port", "vip = \"192.0.2.1\"\nforwarding = \"tun\"\ntunnel = \"gue\"", "FILE:3:10: a gue tunnel needs a UDP port"},
		{"interface", "vip = \"192.0.2.1\"\ninterface = \"eth 0\"", `FILE:2:13: "eth 0" cannot be the name of an interface`},
		{"route", "vip = \"192.0.2.1\"\nset_route = true", "FILE:2:13: set_route needs the director's address"},
		{"segment", "vip = \"192.0.2.1\"\nmss = 70000", "FILE:2:7: mss 70000 is out of range; expected from 88 to 65495"},
		{"protocol", "vip = \"192.0.2.1\"\nport = \"icmp/1\"", `FILE:2:8: unknown protocol "icmp": expected one of tcp, udp, sctp; expected "80"`},
		{"port", "vip = \"192.0.2.1\"\nport = \"tcp/0\"", `FILE:2:8: "0" is not a port from 1 to 65535; expected "80"`},
		{"several", "vip = 1\nmss = \"x\"", "FILE:1:7: vip is a whole number; expected a string\nFILE:2:7: mss is a string; expected a whole number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadRealServer(t, tt.source)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// The reference shows every key, and its defaults are those that hold.
func TestRealServerReference(t *testing.T) {
	got, err := loadRealServer(t, RealServerReference())
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultRealServer()
	want.VIPs = []netip.Addr{netip.MustParseAddr("192.0.2.10")}
	if diff := cmp.Diff(&want, got, asValues); diff != "" {
		t.Errorf("the reference (-want +got):\n%s", diff)
	}
	written, err := loadRealServer(t, defaultLine.ReplaceAllString(strings.Replace(RealServerReference(), "# tunnel = ", "# # tunnel = ", 1), "$1"))
	if err != nil {
		t.Fatal(err)
	}
	want.Director, want.MSS = netip.MustParseAddr("10.0.0.1"), 1440 // these have no default
	if diff := cmp.Diff(&want, written, asValues); diff != "" {
		t.Errorf("defaults written out (-want +got):\n%s", diff)
	}
	for _, key := range keysOf(reflect.TypeFor[rawRealServer]()) {
		if !strings.Contains(RealServerReference(), key+" = ") {
			t.Errorf("key %s is not in the reference", key)
		}
	}
}

func FuzzLoadRealServer(f *testing.F) {
	f.Add(RealServerReference())
	f.Add("vip = [\"192.0.2.1\"]\ntunnel = { type = \"gue\" }")
	f.Fuzz(func(t *testing.T, source string) {
		if s, err := loadRealServer(t, source); err == nil && len(s.VIPs) == 0 && !s.Director.IsValid() {
			t.Errorf("nothing is asked for, but there is no error: %+v", s)
		}
	})
}
