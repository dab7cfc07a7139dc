package desired_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestAddressesFollowTheRole(t *testing.T) {
	vip := lvs.Address{AddressKey: lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.1/24")}}
	c := &config.Config{VRRP: []config.VRRP{{Name: "front", VIPs: []lvs.Address{vip}}}}
	tests := []struct {
		name         string
		role         lvs.Role
		host         desired.Host
		want, absent string
	}{
		{"active", lvs.Active, host(), "192.0.2.1/24 on eth0", ""},
		{"standby", lvs.Standby, host("192.0.2.1/24"), "", "192.0.2.1/24 on eth0"},
		{"fault", lvs.Faulty, host("192.0.2.1/24"), "", "192.0.2.1/24 on eth0"},
		{"undecided, with the VIP", lvs.Undecided, host("192.0.2.1/24"), "192.0.2.1/24 on eth0", ""},
		{"undecided, without", lvs.Undecided, host(), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.host.Roles = map[string]lvs.Role{"front": tt.role}
			s := desired.Build(c, desired.Input{Host: tt.host})
			if diff := cmp.Diff(tt.want, join(slices.Collect(maps.Keys(s.Addresses)))); diff != "" {
				t.Errorf("wanted (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.absent, join(slices.Collect(maps.Keys(s.Absent)))); diff != "" {
				t.Errorf("absent (-want +got):\n%s", diff)
			}
		})
	}
}

func join(keys []lvs.AddressKey) string {
	var words []string
	for _, k := range keys {
		words = append(words, k.String())
	}
	return strings.Join(words, ", ")
}
