package daemon

import (
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

// detours reads traffic control where lvsd has a reason to look: where it made
// some. What an earlier run left is looked for once.
type detours struct {
	*netdev.Devices
	looked bool
	some   bool
}

// Detours is the reconciler's view.
func (d *detours) Detours() (map[lvs.Detour]bool, error) {
	if d.looked && !d.some {
		return nil, nil
	}
	all, err := d.Devices.Detours()
	if err != nil && d.some {
		return nil, err
	}
	// Where traffic control does not work at all, lvsd has left nothing in it.
	d.looked, d.some = true, len(all) > 0
	return all, nil
}

// AddDetour is the reconciler's change.
func (d *detours) AddDetour(detour lvs.Detour) error {
	d.some = true
	return d.Devices.AddDetour(detour)
}
