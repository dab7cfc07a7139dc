package control

import (
	"context"
	"net/http"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// call is one thing to ask of a director. What is asked stands in the query; the
// answer becomes JSON. api.yaml describes them all, and a test holds it to this list.
type call struct {
	method, path string
	answer       func(*http.Request) (any, error)
}

// calls are answered until the context ends. A reload outlives a client that has gone
// away: what it began, it ends.
func calls(ctx context.Context, d Director) []call {
	query := func(r *http.Request, name string) string { return r.URL.Query().Get(name) }
	return slices.Concat([]call{
		{http.MethodGet, statusPath, func(r *http.Request) (any, error) { return d.Status(r.Context()) }},
		{http.MethodGet, healthPath, func(r *http.Request) (any, error) { return d.Health(r.Context()) }},
		{http.MethodGet, probesPath, func(r *http.Request) (any, error) {
			return d.Probes(r.Context(), query(r, "virtual"), query(r, "server"))
		}},
		{http.MethodGet, changesPath, func(r *http.Request) (any, error) { return changes(d, r) }},
		{http.MethodPost, reloadPath, func(*http.Request) (any, error) { return d.Reload(ctx) }},
		{http.MethodPost, notifyPath, func(r *http.Request) (any, error) { return d.TestNotify(r.Context(), query(r, "name")) }},
		{http.MethodPost, failoverPath, func(r *http.Request) (any, error) {
			return struct{}{}, d.Failover(r.Context(), query(r, "instance"))
		}},
		{http.MethodPost, pushPath, func(r *http.Request) (any, error) { return d.PushConnections(r.Context()) }},
		{http.MethodPost, rolePath, func(r *http.Request) (any, error) {
			role, err := lvs.ParseRole(query(r, "role"))
			if err != nil {
				return nil, err
			}
			return struct{}{}, d.SetRole(r.Context(), query(r, "instance"), role)
		}},
	}, overrideCalls(d), guardCalls(d))
}
