package control

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// Failover asks the director to hand a VRRP instance over, all if the name is "".
func (c *Client) Failover(ctx context.Context, instance string) error {
	query := url.Values{"instance": {instance}}
	return c.call(ctx, statusTime, http.MethodPost, failoverPath+"?"+query.Encode(), &struct{}{})
}

// SetRole tells the director its role in an external VRRP instance, in all if the
// name is "".
func (c *Client) SetRole(ctx context.Context, instance string, role lvs.Role) error {
	query := url.Values{"instance": {instance}, "role": {role.String()}}
	return c.call(ctx, statusTime, http.MethodPost, rolePath+"?"+query.Encode(), &struct{}{})
}

// PushConnections makes the director send all its connections to the standbys, and
// tells how many it sent.
func (c *Client) PushConnections(ctx context.Context) (status.Push, error) {
	var p status.Push
	err := c.call(ctx, reloadTime, http.MethodPost, pushPath, &p)
	return p, err
}
