package ipvs

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestBelonging(t *testing.T) {
	at := netip.MustParseAddrPort
	service := func(key lvs.ServiceKey, f lvs.Forwarding, servers ...string) lvs.Service {
		s := lvs.Service{Key: key}
		for _, r := range servers {
			s.Servers = append(s.Servers, lvs.Server{Key: at(r), ServerSettings: lvs.ServerSettings{Forwarding: f}})
		}
		return s
	}
	b := NewBelonging([]lvs.Service{
		service(lvs.MarkKey(9, lvs.IPv4), lvs.DR, "10.0.0.1:0", "10.0.0.5:0"),
		service(lvs.MarkKey(7, lvs.IPv4), lvs.DR, "10.0.0.1:0", "10.0.0.2:0"),
		service(lvs.MarkKey(8, lvs.IPv4), lvs.NAT, "10.0.0.2:8080", "10.0.0.2:8081"),
		service(lvs.MarkKey(7, lvs.IPv6), lvs.TUN, "[fd00::1]:0"),
		service(lvs.AddrKey(lvs.TCP, at("192.0.2.1:80")), lvs.NAT, "10.0.0.1:8080"),
		service(lvs.AddrKey(lvs.UDP, at("192.0.2.1:0")), lvs.DR, "10.0.0.1:0"),
	})
	tests := []struct {
		name        string
		protocol    lvs.Protocol
		vip, server string
		ok          bool
		mark        uint32
		forwarding  lvs.Forwarding
	}{
		{"by address", lvs.TCP, "192.0.2.1:80", "10.0.0.1:8080", true, 0, lvs.NAT},
		{"by port 0", lvs.UDP, "192.0.2.1:53", "10.0.0.1:53", true, 0, lvs.DR},
		{"two marks forward it alike", lvs.TCP, "192.0.2.9:443", "10.0.0.1:443", true, 7, lvs.DR},
		{"two marks do not", lvs.TCP, "192.0.2.9:443", "10.0.0.2:8080", false, 0, 0},
		{"one mark", lvs.TCP, "192.0.2.9:443", "10.0.0.5:443", true, 9, lvs.DR},
		{"IPv6", lvs.TCP, "[2001:db8::1]:443", "[fd00::1]:443", true, 7, lvs.TUN},
		{"server is gone", lvs.TCP, "192.0.2.1:80", "10.0.0.9:8080", false, 0, 0},
		{"template", 0, "0.0.0.9:0", "10.0.0.5:0", true, 9, lvs.DR},
		{"template of another mark", 0, "0.0.0.6:0", "10.0.0.5:0", false, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Connection{Protocol: tt.protocol, VIP: at(tt.vip), Server: at(tt.server), Client: at(tt.vip)}
			ok := b.Of(&c)
			if ok != tt.ok || ok && (c.Mark != tt.mark || c.Forwarding != tt.forwarding) {
				t.Errorf("got %t, mark %d, %s", ok, c.Mark, c.Forwarding)
			}
		})
	}
}

// A template is told of with the time of its service, and everything else with what
// is left of its own.
func TestTemplateTimeout(t *testing.T) {
	at := netip.MustParseAddrPort
	persistent := func(key lvs.ServiceKey, p time.Duration) lvs.Service {
		s := lvs.Service{Key: key, Servers: []lvs.Server{{Key: at("10.0.0.1:0")}}}
		s.Persistence = p
		return s
	}
	b := NewBelonging([]lvs.Service{
		persistent(lvs.MarkKey(9, lvs.IPv4), 5*time.Minute),
		persistent(lvs.AddrKey(lvs.TCP, at("192.0.2.1:80")), time.Hour),
		persistent(lvs.AddrKey(lvs.TCP, at("192.0.2.1:81")), 0),
	})
	for _, tt := range []struct {
		name, vip string
		protocol  lvs.Protocol
		template  bool
		want      uint32
	}{
		{"a template", "192.0.2.1:80", lvs.TCP, true, 3600},
		{"a connection", "192.0.2.1:80", lvs.TCP, false, 7},
		{"of a mark", "0.0.0.9:0", 0, true, 300},
		{"of a service that is not persistent any more", "192.0.2.1:81", lvs.TCP, true, 7},
	} {
		c := Connection{Protocol: tt.protocol, VIP: at(tt.vip), Server: at("10.0.0.1:0"), Client: at("10.9.0.1:0"), Template: tt.template, Timeout: 7}
		if ok := b.Of(&c); !ok || c.Timeout != tt.want {
			t.Errorf("%s: %t, %d seconds, want %d", tt.name, ok, c.Timeout, tt.want)
		}
	}
}

// Whatever the list says, a message of it is as long as it claims.
func FuzzConnections(f *testing.F) {
	f.Add([]byte(listed))
	f.Fuzz(func(t *testing.T, list []byte) {
		m := NewSyncMessage(1, 1400)
		for line := range strings.Lines(string(list)) {
			c, ok := parseConnection(line)
			if ok && !m.Add(c) {
				m.Reset()
			}
			if n := len(m.Bytes()); n > 1400 {
				t.Fatalf("%d bytes", n)
			}
		}
	})
}
