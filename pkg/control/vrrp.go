package control

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// handleVRRP answers the calls about roles.
func handleVRRP(mux *http.ServeMux, d Director) {
	handle(mux, "POST "+failoverPath, func(r *http.Request) (any, error) {
		return struct{}{}, d.Failover(r.Context(), r.URL.Query().Get("instance"))
	})
	handle(mux, "POST "+pushPath, func(r *http.Request) (any, error) { return d.PushConnections(r.Context()) })
	handle(mux, "POST "+rolePath, func(r *http.Request) (any, error) {
		role, err := lvs.ParseRole(r.URL.Query().Get("role"))
		if err != nil {
			return nil, err
		}
		return struct{}{}, d.SetRole(r.Context(), r.URL.Query().Get("instance"), role)
	})
}

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
func (c *Client) PushConnections(ctx context.Context) (int, error) {
	var n int
	err := c.call(ctx, reloadTime, http.MethodPost, pushPath, &n)
	return n, err
}
