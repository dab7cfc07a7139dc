package daemon

import (
	"context"
	"errors"

	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// PushConnections sends every connection of this director to the others, and
// tells how many there are. It is an error unless this director is to send.
func (d *Director) PushConnections(ctx context.Context) (int, error) {
	c := d.current()
	if c.Sync == nil {
		return 0, errors.New("push connections: the configuration has no [sync]")
	}
	s := desired.Daemons(c, desired.Host{Roles: d.roles.current()})
	master, ok := s[lvs.SyncMaster]
	if !ok {
		return 0, errors.New("push connections: this director is a standby, ask the active one")
	}
	n, err := ipvs.Push(ctx, master)
	d.metrics.Pushed(n)
	return n, err
}
