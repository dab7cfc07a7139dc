package netdev

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
)

// A filter passes the claims of its addresses and nothing else, and both readers
// agree with it.
func TestClaimFilters(t *testing.T) {
	v4 := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.9")}
	v6 := []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::9")}
	solicitation := advertisement(mac, v6[0], false)
	solicitation[atType] = typeAdvertisement - 1
	tests := []struct {
		name   string
		filter []bpf.Instruction
		parse  func([]byte) (Claim, bool)
		packet []byte
		want   string // whose claim; "" for none
	}{
		{"gratuitous ARP", arpFilter(v4), arpClaim, arpPacket(arpReply, mac, v4[0]), "192.0.2.1"},
		{"a request from the address", arpFilter(v4), arpClaim, arp(arpRequest, mac, v4[1], mac, v4[0]), "192.0.2.9"},
		{"a request for it", arpFilter(v4), arpClaim, arp(arpRequest, mac, netip.MustParseAddr("192.0.2.7"), mac, v4[0]), ""},
		{"a probe", arpFilter(v4), arpClaim, arpProbe(mac, v4[0]), ""},
		{"too short", arpFilter(v4), arpClaim, arpPacket(arpReply, mac, v4[0])[:12], ""},
		{"neighbour advertisement", ndFilter(v6), ndClaim, advertisement(mac, v6[1], true), "2001:db8::9"},
		{"of another address", ndFilter(v6), ndClaim, advertisement(mac, netip.MustParseAddr("2001:db8::7"), true), ""},
		{"solicitation", ndFilter(v6), ndClaim, solicitation, ""},
		{"too short for a neighbour advertisement", ndFilter(v6), ndClaim, advertisement(mac, v6[1], true)[:44], ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			vm, err := bpf.NewVM(tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			n, err := vm.Run(tt.packet)
			if err != nil || (n > 0) != (tt.want != "") {
				t.Errorf("passes %d bytes, %v", n, err)
			}
			c, ok := tt.parse(tt.packet)
			if n > 0 && (!ok || c.Address.String() != tt.want || !slices.Equal(c.MAC, mac)) {
				t.Errorf("got %v %v", c, ok)
			}
		})
	}
}

// A filter of very many addresses is one that the kernel takes.
func TestClaimFilterOfManyAddresses(t *testing.T) {
	for _, n := range []int{most, most + 1, 10_000} {
		many := slices.Repeat([]netip.Addr{netip.MustParseAddr("2001:db8::1")}, n)
		if f := ndFilter(many); len(f) > 4096 {
			t.Errorf("%d addresses: %d instructions", n, len(f))
		}
	}
}
