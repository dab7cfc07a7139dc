package vrrp

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestEthernet(t *testing.T) {
	tests := []struct {
		name, mac, src string
		dst            netip.Addr
		want           string
	}{
		{"IPv4", "00:00:5e:00:01:33", "192.0.2.7", Group4,
			"01005e000012 00005e000133 0800 45c0 0016 0000 4000 ff70 d89d c0000207 e0000012 abcd"},
		{"IPv6", "00:00:5e:00:02:33", "fe80::7", Group6,
			"333300000012 00005e000233 86dd 6c000000 0002 70 ff fe800000000000000000000000000007 ff020000000000000000000000000012 abcd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mac, err := net.ParseMAC(tt.mac)
			if err != nil {
				t.Fatal(err)
			}
			frame := ethernet(mac, netip.MustParseAddr(tt.src), tt.dst, []byte{0xab, 0xcd})
			if got, want := hex.EncodeToString(frame), strings.ReplaceAll(tt.want, " ", ""); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if !tt.dst.Is4() {
				return
			}
			if p, err := parseIPv4(frame[14:]); err != nil || p.ttl != TTL || p.dst != tt.dst || sum(frame[14:34], 0) != 0xffff {
				t.Errorf("parsed as %+v, %v, checksum %x", p, err, sum(frame[14:34], 0))
			}
		})
	}
}
