// Package control is the way to a running director: HTTP with JSON over a unix
// socket. Server and client of each call stand side by side. Only root and the
// daemon's own user get an answer; the kernel tells who asks (SO_PEERCRED,
// unix(7)).
package control

import (
	"context"

	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/status"
)

// Director is what a socket gives access to.
type Director interface {
	Status(context.Context) (status.Status, error)
	// Reload reads the configuration again and returns when the kernel was
	// compared with it. An error means that nothing has changed.
	Reload(context.Context) (Reloaded, error)
	// TestNotify sends a test message to the receiver with a name, or to all if it
	// is "".
	TestNotify(ctx context.Context, name string) ([]notify.Outcome, error)
}

// Reloaded is what a reload came to.
type Reloaded struct {
	Operations int      `json:"operations"` // done in the kernel
	Errors     []string `json:"errors"`     // of operations that will be tried again
}

// The calls' paths.
const (
	statusPath = "/v1/status"
	reloadPath = "/v1/reload"
	notifyPath = "/v1/notify/test"
)
