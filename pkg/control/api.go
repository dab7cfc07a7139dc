// Package control is the way to a running director: HTTP with JSON over a unix
// socket. Server and client of each call stand side by side. Only root and the
// daemon's own user get an answer; the kernel tells who asks (SO_PEERCRED,
// unix(7)).
package control

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/changelog"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/status"
)

// Director is what a socket gives access to.
type Director interface {
	Status(context.Context) (status.Status, error)
	// Reload reads the configuration again and returns when the kernel was
	// compared with it. A Refused means that nothing has changed.
	Reload(context.Context) (Reloaded, error)
	// Failover hands a VRRP instance over, all if the name is "".
	Failover(ctx context.Context, instance string) error
	// SetRole sets the role in an external VRRP instance, in all if the name is "".
	SetRole(ctx context.Context, instance string, role lvs.Role) error
	// PushConnections sends all connections to the standbys and tells how many.
	PushConnections(context.Context) (status.Push, error)
	// Probes gives the latest probes of the checks of one real server.
	Probes(ctx context.Context, virtual, server string) ([]status.Probes, error)
	// Health gives what all checks and elections say, for whoever plans another
	// configuration.
	Health(context.Context) (Health, error)
	// TestNotify sends a test message to the receiver with a name, or to all if it
	// is "".
	TestNotify(ctx context.Context, name string) ([]notify.Outcome, error)
	// Changes gives the changes of state after a number, the oldest first. Where there
	// is none yet it waits for one, at most the time given.
	Changes(ctx context.Context, after uint64, wait time.Duration) ([]changelog.Change, error)

	Overrider
	Guard
}

// Health is what a director's checks say, and what its roles are: what the desired
// state follows from besides the configuration.
type Health struct {
	Roles    map[string]lvs.Role     `json:"roles"`       // by VRRP instance
	Snapshot health.Snapshot         `json:"snapshot"`    // by the keys of the checks
	Lost     map[lvs.ServiceKey]bool `json:"quorum_lost"` // for each service
}

// Reloaded is what a reload came to.
type Reloaded struct {
	Director   string   `json:"director"`   // whose: its name
	Operations int      `json:"operations"` // done in the kernel
	Errors     []string `json:"errors"`     // of operations that will be tried again
}

// Refused is the error of a reload that was not taken: the configuration before
// it stays in force, whole. Its text has a line for each problem.
type Refused struct{ Err error }

func (r Refused) Error() string {
	return "reload refused, the configuration before it stays in force:\n  " +
		strings.ReplaceAll(r.Err.Error(), "\n", "\n  ")
}

// Unwrap gives the problems.
func (r Refused) Unwrap() error { return r.Err }

// failure is the body of an answer that is not 200.
type failure struct {
	Error   string `json:"error"`
	Refused bool   `json:"refused"` // Error is that of a Refused, without its first line
}

func failureOf(err error) failure {
	var refused Refused
	if errors.As(err, &refused) {
		return failure{Error: refused.Err.Error(), Refused: true}
	}
	return failure{Error: err.Error()}
}

func (f failure) err() error {
	if f.Refused {
		return Refused{errors.New(f.Error)}
	}
	return errors.New(f.Error)
}

// The calls' paths.
const (
	statusPath   = "/v1/status"
	reloadPath   = "/v1/reload"
	healthPath   = "/v1/health"
	probesPath   = "/v1/probes" // ?virtual=NAME&server=NAME
	notifyPath   = "/v1/notify/test"
	failoverPath = "/v1/failover" // ?instance=NAME
	rolePath     = "/v1/role"     // ?instance=NAME&role=ROLE
	pushPath     = "/v1/sync/push"
	changesPath  = "/v1/changes" // ?after=NUMBER&wait=DURATION

	blockPath     = "/v1/guard/block"   // ?network=PREFIX&for=DURATION
	unblockPath   = "/v1/guard/unblock" // ?network=PREFIX
	guardTopPath  = "/v1/guard/top"
	guardTestPath = "/v1/guard/test" // ?protocol=tcp&source=ADDR:PORT&target=ADDR:PORT
)

// maxPath is how long a unix socket's path may be (sun_path, unix(7)).
const maxPath = 107
