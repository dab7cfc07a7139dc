// Package control is the way to a running director: HTTP with JSON over a unix
// socket. Server and client of each call stand side by side. Only root and the
// daemon's own user get an answer; the kernel tells who asks (SO_PEERCRED,
// unix(7)).
package control

import (
	"context"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// Director is what a socket gives access to.
type Director interface {
	Status(context.Context) (status.Status, error)
	// Reload reads the configuration again and returns when the kernel was
	// compared with it. An error means that nothing has changed.
	Reload(context.Context) (Reloaded, error)
	// Failover hands a VRRP instance over, all if the name is "".
	Failover(ctx context.Context, instance string) error
	// SetRole sets the role in an external VRRP instance, in all if the name is "".
	SetRole(ctx context.Context, instance string, role lvs.Role) error
}

// Reloaded is what a reload came to.
type Reloaded struct {
	Operations int      `json:"operations"` // done in the kernel
	Errors     []string `json:"errors"`     // of operations that will be tried again
}

// The calls' paths.
const (
	statusPath   = "/v1/status"
	reloadPath   = "/v1/reload"
	failoverPath = "/v1/failover"
	rolePath     = "/v1/role"
)
