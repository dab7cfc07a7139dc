package vrrp

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var asValues = cmpopts.EquateComparable(netip.Addr{})

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

func TestAdvertOnTheWire(t *testing.T) {
	tests := []struct {
		name     string
		advert   Advert
		src, dst string
		want     string
	}{
		{"version 2", Advert{Version: V2, VRID: 51, Priority: 100, Interval: time.Second, Addresses: addrs("192.0.2.1")},
			"10.0.0.1", "224.0.0.18", "21336401 0001 b8c8 c0000201 0000000000000000"},
		{"version 2 with a password", Advert{Version: V2, VRID: 1, Priority: 255, Interval: 3 * time.Second,
			Addresses: addrs("192.0.2.1"), Password: "1111"},
			"10.0.0.1", "224.0.0.18", "2101ff01 0103 ba95 c0000201 3131313100000000"},
		{"version 3 with a pseudo-header", Advert{Version: V3, VRID: 51, Priority: 100, Interval: time.Second,
			Addresses: addrs("192.0.2.1")},
			"10.0.0.1", "224.0.0.18", "31336401 0064 bdd5 c0000201"},
		{"version 3 without", Advert{Version: V3, VRID: 51, Priority: 100, Interval: time.Second,
			Addresses: addrs("192.0.2.1"), Plain: true},
			"10.0.0.1", "224.0.0.18", "31336401 0064 a865 c0000201"},
		{"version 3 over IPv6", Advert{Version: V3, VRID: 51, Priority: 0, Interval: 10 * time.Millisecond,
			Addresses: addrs("fe80::1", "2001:db8::1")},
			"fe80::5", "ff02::12", "31330002 0001 a45a fe800000000000000000000000000001 20010db8000000000000000000000001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, dst := netip.MustParseAddr(tt.src), netip.MustParseAddr(tt.dst)
			b, err := tt.advert.Marshal(src, dst)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := hex.EncodeToString(b), strings.ReplaceAll(tt.want, " ", ""); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			got, err := Parse(b, src, dst)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.advert, got, asValues); diff != "" {
				t.Errorf("round trip (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMarshalRefuses(t *testing.T) {
	good := Advert{Version: V3, VRID: 1, Priority: 1, Interval: time.Second, Addresses: addrs("192.0.2.1")}
	tests := []struct {
		name   string
		src    string
		change func(*Advert)
	}{
		{"version", "10.0.0.1", func(a *Advert) { a.Version = 4 }},
		{"version 2 over IPv6", "fe80::1", func(a *Advert) { a.Version = V2 }},
		{"VRID", "10.0.0.1", func(a *Advert) { a.VRID = 0 }},
		{"no interval", "10.0.0.1", func(a *Advert) { a.Interval = 0 }},
		{"a long interval", "10.0.0.1", func(a *Advert) { a.Interval = 40960 * time.Millisecond }},
		{"a fine interval", "10.0.0.1", func(a *Advert) { a.Interval = 15 * time.Millisecond }},
		{"version 2 with a fraction", "10.0.0.1", func(a *Advert) { a.Version, a.Interval = V2, 1500*time.Millisecond }},
		{"no address", "10.0.0.1", func(a *Advert) { a.Addresses = nil }},
		{"256 addresses", "10.0.0.1", func(a *Advert) { a.Addresses = make([]netip.Addr, 256) }},
		{"another family", "10.0.0.1", func(a *Advert) { a.Addresses = addrs("fe80::1") }},
		{"a password in version 3", "10.0.0.1", func(a *Advert) { a.Password = "x" }},
		{"a long password", "10.0.0.1", func(a *Advert) { a.Version, a.Password = V2, "123456789" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := good
			tt.change(&a)
			if b, err := a.Marshal(netip.MustParseAddr(tt.src), Group4); err == nil {
				t.Errorf("got %x, want an error", b)
			}
		})
	}
}

// packet gives a valid packet with bytes of it changed and its checksum right
// again.
func packet(t *testing.T, a Advert, src netip.Addr, change func([]byte) []byte) []byte {
	t.Helper()
	b, err := a.Marshal(src, Group4)
	if err != nil {
		t.Fatal(err)
	}
	b = change(b)
	if len(b) >= header {
		b[6], b[7] = 0, 0
		s := ^sum(b, 0)
		b[6], b[7] = byte(s>>8), byte(s)
	}
	return b
}

func TestParseRefuses(t *testing.T) {
	v3 := Advert{Version: V3, VRID: 1, Priority: 1, Interval: time.Second, Addresses: addrs("192.0.2.1"), Plain: true}
	v2 := v3
	v2.Version, v2.Plain, v2.Password = V2, false, "secret"
	set := func(i int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[i] = v; return b }
	}
	tests := []struct {
		name   string
		advert Advert
		change func([]byte) []byte
		want   Reason
	}{
		{"nothing", v3, func([]byte) []byte { return nil }, Truncated},
		{"half a header", v3, func(b []byte) []byte { return b[:7] }, Truncated},
		{"an address missing", v3, set(3, 2), Truncated},
		{"an address too many", v3, func(b []byte) []byte { return append(b, 1, 2, 3, 4) }, WrongLength},
		{"no password field", v2, func(b []byte) []byte { return b[:12] }, Truncated},
		{"version 1", v3, set(0, 0x11), WrongVersion},
		{"type 2", v3, set(0, 0x32), WrongType},
		{"VRID 0", v3, set(1, 0), WrongVRID},
		{"no address", v3, func(b []byte) []byte { b[3] = 0; return b[:8] }, WrongAddresses},
		{"interval 0", v3, set(5, 0), WrongInterval},
		{"interval 0 in version 2", v2, set(5, 0), WrongInterval},
		{"authentication by IP AH", v2, set(4, 2), WrongAuth},
		{"an empty password", v2, func(b []byte) []byte { clear(b[12:]); return b }, WrongAuth},
		{"a password with a hole", v2, set(13, 0), WrongAuth},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(packet(t, tt.advert, local, tt.change), local, Group4)
			var r *Refusal
			if !errors.As(err, &r) || r.Reason != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	t.Run("a flipped bit", func(t *testing.T) {
		b, err := v2.Marshal(local, Group4)
		if err != nil {
			t.Fatal(err)
		}
		b[2] ^= 4
		_, err = Parse(b, local, Group4)
		var r *Refusal
		if !errors.As(err, &r) || r.Reason != WrongChecksum {
			t.Errorf("got %v, want %s", err, WrongChecksum)
		}
	})
}

func TestVerify(t *testing.T) {
	v3 := settings(100)
	v2 := settings(100, func(s *Settings) { s.Version, s.Password = V2, "secret" })
	tests := []struct {
		name     string
		settings Settings
		change   func(*Advert)
		want     Reason
		refused  bool
	}{
		{"ours", v3, func(*Advert) {}, 0, false},
		{"another interval in version 3", v3, func(a *Advert) { a.Interval = 10 * time.Millisecond }, 0, false},
		{"another VRID", v3, func(a *Advert) { a.VRID = 52 }, WrongVRID, true},
		{"another version", v3, func(a *Advert) { a.Version = V2 }, WrongVersion, true},
		{"no password", v2, func(a *Advert) { a.Password = "" }, WrongAuth, true},
		{"another interval in version 2", v2, func(a *Advert) { a.Interval = 2 * time.Second }, WrongInterval, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.settings.Advert(100)
			tt.change(&a)
			err := tt.settings.Verify(a)
			var r *Refusal
			if errors.As(err, &r) != tt.refused || tt.refused && r.Reason != tt.want {
				t.Errorf("got %v, want %s (%t)", err, tt.want, tt.refused)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, a := range []Advert{
		{Version: V2, VRID: 51, Priority: 100, Interval: time.Second, Addresses: addrs("192.0.2.1"), Password: "1111"},
		{Version: V3, VRID: 51, Priority: 100, Interval: time.Second, Addresses: addrs("192.0.2.1", "192.0.2.2")},
		{Version: V3, VRID: 51, Priority: 100, Interval: time.Second, Addresses: addrs("192.0.2.1"), Plain: true},
	} {
		b, err := a.Marshal(local, Group4)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
	}
	six := Advert{Version: V3, VRID: 51, Priority: 0, Interval: 10 * time.Millisecond, Addresses: addrs("fe80::1")}
	b, err := six.Marshal(netip.MustParseAddr("fe80::5"), Group6)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, true)
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		src, dst := local, Group4
		if v6 {
			src, dst = netip.MustParseAddr("fe80::5"), Group6
		}
		// A fuzzer finds no checksums: half of the inputs get a right one.
		if len(b) >= header && b[7]&1 == 1 {
			b[6], b[7] = 0, 0
			s := ^sum(b, 0)
			b[6], b[7] = byte(s>>8), byte(s)
		}
		a, err := Parse(b, src, dst)
		if err != nil {
			var r *Refusal
			if !errors.As(err, &r) {
				t.Fatalf("%v is no Refusal", err)
			}
			return
		}
		again, err := a.Marshal(src, dst)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", a, err)
		}
		if len(again) != len(b) {
			t.Fatalf("%x became %x", b, again)
		}
		back, err := Parse(again, src, dst)
		if diff := cmp.Diff(a, back, asValues); err != nil || diff != "" {
			t.Fatalf("%v (-first +second):\n%s", err, diff)
		}
	})
}
