package netdev

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
)

var mac = net.HardwareAddr{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}

func TestARPPacket(t *testing.T) {
	tests := []struct {
		name string
		op   uint16
		want string
	}{
		{"request", arpRequest, "0001 0800 06 04 0001 021122334455 c0000201 000000000000 c0000201"},
		{"reply", arpReply, "0001 0800 06 04 0002 021122334455 c0000201 021122334455 c0000201"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, arpPacket(tt.op, mac, netip.MustParseAddr("192.0.2.1")), tt.want)
		})
	}
}

func TestAdvertisement(t *testing.T) {
	const addresses = "20010db8000000000000000000000001 ff020000000000000000000000000001"
	tests := []struct {
		name   string
		router bool
		want   string
	}{
		{"host", false, "60000000 0020 3a ff " + addresses +
			"88 00 9292 20000000 20010db8000000000000000000000001 02 01 021122334455"},
		{"router", true, "60000000 0020 3a ff " + addresses +
			"88 00 1292 a0000000 20010db8000000000000000000000001 02 01 021122334455"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, advertisement(mac, netip.MustParseAddr("2001:db8::1"), tt.router), tt.want)
		})
	}
}

func compare(t *testing.T, got []byte, want string) {
	t.Helper()
	if want = strings.ReplaceAll(want, " ", ""); hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
}

func TestARPProbe(t *testing.T) {
	compare(t, arpProbe(mac, netip.MustParseAddr("192.0.2.1")),
		"0001 0800 06 04 0001 021122334455 00000000 000000000000 c0000201")
}

func TestARPAnswer(t *testing.T) {
	ip, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	tests := []struct {
		name   string
		packet []byte
		want   bool
	}{
		{"answer", arp(arpReply, mac, ip, mac, other), true},
		{"with padding", append(arp(arpReply, mac, ip, mac, other), make([]byte, 18)...), true},
		{"for another address", arp(arpReply, mac, other, mac, ip), false},
		{"question", arpProbe(mac, ip), false},
		{"short", arp(arpReply, mac, ip, mac, other)[:27], false},
		{"empty", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := arpAnswer(tt.packet, ip)
			if ok != tt.want || ok && got.String() != mac.String() {
				t.Errorf("got %s, %v", got, ok)
			}
		})
	}
}

func FuzzARPAnswer(f *testing.F) {
	ip := netip.MustParseAddr("192.0.2.1")
	f.Add(arp(arpReply, mac, ip, mac, ip))
	f.Fuzz(func(t *testing.T, packet []byte) {
		if got, ok := arpAnswer(packet, ip); ok && len(got) != 6 {
			t.Errorf("got %s", got)
		}
	})
}
