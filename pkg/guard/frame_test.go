package guard_test

import (
	"net/netip"
	"testing"

	"github.com/lvsd/lvsd/pkg/guard"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestDescribe(t *testing.T) {
	v4 := guard.Frame(lvs.TCP, netip.MustParseAddrPort("198.51.100.7:4000"), netip.MustParseAddrPort("192.0.2.1:80"))
	change := func(frame []byte, at int, b ...byte) []byte {
		frame = append([]byte{}, frame...)
		copy(frame[at:], b)
		return frame
	}
	tagged := append(append(append([]byte{}, v4[:12]...), 0x81, 0, 0, 7), v4[12:]...)
	tests := []struct {
		name  string
		frame []byte
		want  string
	}{
		{"tcp", v4, "tcp 198.51.100.7:4000 to 192.0.2.1:80 SYN"},
		{"flags", change(v4, 14+20+13, 0x13), "tcp 198.51.100.7:4000 to 192.0.2.1:80 FIN+SYN+ACK"},
		{"no flags", change(v4, 14+20+13, 0), "tcp 198.51.100.7:4000 to 192.0.2.1:80 without flags"},
		{"tagged", tagged, "tcp 198.51.100.7:4000 to 192.0.2.1:80 SYN"},
		{"fragment", change(v4, 14+6, 0, 2), "tcp 198.51.100.7 to 192.0.2.1, a fragment at byte 16"},
		{"icmp", change(v4, 14+9, 1), "icmp 198.51.100.7 to 192.0.2.1"},
		{"another", change(v4, 14+9, 47), "protocol 47 198.51.100.7 to 192.0.2.1"},
		{"a header too short", change(v4, 14, 0x44), "tcp 198.51.100.7 to 192.0.2.1"},
		{"cut", v4[:14+20+2], "tcp 198.51.100.7 to 192.0.2.1"},
		{"no flags in sight", v4[:14+20+8], "tcp 198.51.100.7:4000 to 192.0.2.1:80"},
		{"udp", guard.Frame(lvs.UDP, netip.MustParseAddrPort("[2001:db8::7]:53"), netip.MustParseAddrPort("[2001:db8::1]:53")),
			"udp [2001:db8::7]:53 to [2001:db8::1]:53"},
		{"sctp", guard.Frame(lvs.SCTP, netip.MustParseAddrPort("10.0.0.1:5"), netip.MustParseAddrPort("192.0.2.1:6")),
			"sctp 10.0.0.1:5 to 192.0.2.1:6"},
		{"arp", change(v4, 12, 8, 6), "a frame of type 0x0806"},
		{"nothing", nil, "a frame of 0 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := guard.Describe(tt.frame); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for n := range len(tt.frame) {
				guard.Describe(tt.frame[:n])
			}
		})
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add(guard.Frame(lvs.TCP, netip.MustParseAddrPort("198.51.100.7:4000"), netip.MustParseAddrPort("192.0.2.1:80")))
	f.Add(guard.Frame(lvs.UDP, netip.MustParseAddrPort("[2001:db8::7]:53"), netip.MustParseAddrPort("[2001:db8::1]:53")))
	f.Fuzz(func(t *testing.T, head []byte) {
		if guard.Describe(head) == "" {
			t.Error("nothing to say")
		}
	})
}
