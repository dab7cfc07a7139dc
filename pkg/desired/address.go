package desired

import (
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Addresses gives the VIPs that the host must have, and those that it must not
// have: those of the instances in which another director is active. An undecided
// instance keeps what it finds.
func Addresses(c *config.Config, host Host) (want map[lvs.AddressKey]lvs.Address, absent map[lvs.AddressKey]bool) {
	want, absent = hidden(c, host.Addresses), map[lvs.AddressKey]bool{}
	for _, a := range c.Addresses {
		want[a.AddressKey] = a
	}
	for _, v := range c.VRRP {
		for _, a := range v.VIPs {
			switch host.Roles[v.Name] {
			case lvs.Active:
				want[a.AddressKey] = a
			case lvs.Undecided:
				if _, there := host.Addresses[a.AddressKey]; there {
					want[a.AddressKey] = a
				}
			default:
				absent[a.AddressKey] = true
			}
		}
	}
	return want, absent
}
