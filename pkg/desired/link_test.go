package desired_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// An interface with a virtual router's hardware address is there where its VIPs
// are, and only the interface below it needs parameters before.
func TestLinksFollowTheRole(t *testing.T) {
	link := lvs.VirtualLink{Name: "lvsd.51", Base: "eth0", MAC: "00:00:5e:00:01:33"}
	vip := lvs.Address{AddressKey: lvs.AddressKey{Interface: link.Name, Prefix: netip.MustParsePrefix("192.0.2.1/32")}}
	key := lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
	c := &config.Config{
		VRRP: []config.VRRP{{Name: "front", Interface: "eth0", VIPs: []lvs.Address{vip}, Virtual: link}, {Name: "plain"}},
		Virtual: []config.Virtual{{Name: "web", Keys: []lvs.ServiceKey{key}, Real: []config.Real{
			{Name: "rs1", Address: netip.MustParseAddr("192.0.2.101"), Forwarding: lvs.DR}}}},
	}
	carrying := desired.Host{Addresses: map[lvs.AddressKey]lvs.Address{vip.AddressKey: vip}}
	tests := []struct {
		name string
		role lvs.Role
		host desired.Host
		want int
	}{
		{"active", lvs.Active, desired.Host{}, 1},
		{"standby", lvs.Standby, carrying, 0},
		{"fault", lvs.Faulty, carrying, 0},
		{"undecided, with the VIP", lvs.Undecided, carrying, 1},
		{"undecided, without", lvs.Undecided, desired.Host{}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.host.Roles = map[string]lvs.Role{"front": tt.role}
			s := desired.Build(c, desired.Input{Host: tt.host})
			if len(s.Links) != tt.want || tt.want == 1 && s.Links[link.Name] != link {
				t.Errorf("got %v", s.Links)
			}
			for key := range s.Sysctls {
				if strings.Contains(key, "lvsd") {
					t.Errorf("%s is wanted, which there may not be", key)
				}
			}
			for _, key := range []string{"net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce"} {
				if _, ok := s.Sysctls[key]; !ok {
					t.Errorf("%s is not wanted", key)
				}
			}
		})
	}
}
