package daemon

import (
	"context"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Failover hands a VRRP instance over to another director, or all in which this
// one is active if the name is "".
func (d *Director) Failover(ctx context.Context, instance string) error {
	d.sharing.handOver(ctx)
	return d.roles.failover(ctx, instance)
}

// SetRole sets the role in an external VRRP instance, or in all of them if the
// name is "", and returns when the kernel was made to follow.
func (d *Director) SetRole(ctx context.Context, instance string, role lvs.Role) error {
	if role != lvs.Active {
		d.sharing.handOver(ctx)
	}
	if err := d.roles.decide(instance, role); err != nil {
		return err
	}
	d.reconciler.Readdress(ctx)
	return nil
}
