package daemon

import (
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// verdictChanges gives the events that lie between two verdicts: servers that
// went down, came up or began to flap, and services that lost or regained their
// quorum. A server that is up at its first check is no news, one that is down is.
func verdictChanges(c *config.Config, before, after desired.Verdict, now time.Time) []notice.Event {
	var events []notice.Event
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			for _, r := range v.Real {
				id := desired.ServerKey{Service: key, Server: r.Server(key).Key}
				if e, ok := serverChange(before.Servers[id].Server, after.Servers[id].Server); ok {
					e.Time, e.Virtual, e.Real, e.Address = now, v.Name, r.Name, id.Server.String()
					events = append(events, e)
				}
			}
			if e, ok := serviceChange(failed(v, key, before), failed(v, key, after)); ok {
				e.Address = key.String()
				e.Time, e.Virtual = now, v.Name
				events = append(events, e)
			}
		}
	}
	return events
}

// serverChange tells nothing of a server while it flaps, but that it does.
func serverChange(before, after health.Server) (notice.Event, bool) {
	e := notice.Event{From: before.State.String(), To: after.State.String(), Since: before.Since, Cause: after.Error}
	settled := before.Flapping && !after.Flapping
	switch {
	case after.Flapping:
		e.Kind = notice.ServerFlapping
		return e, !before.Flapping
	case before.State == after.State && !settled:
		return e, false
	case after.State == health.Down:
		e.Kind = notice.ServerDown
		return e, true
	case after.State == health.Up:
		e.Kind = notice.ServerUp
		return e, before.State == health.Down || settled
	}
	return e, false
}

// failed tells whether a service is without its real servers: it has lost its
// quorum, or every one of them is down.
func failed(v config.Virtual, key lvs.ServiceKey, verdict desired.Verdict) bool {
	if verdict.Services[key].Lost {
		return true
	}
	down := func(r config.Real) bool {
		id := desired.ServerKey{Service: key, Server: r.Server(key).Key}
		return verdict.Servers[id].State == health.Down
	}
	return len(v.Real) > 0 && !slices.ContainsFunc(v.Real, func(r config.Real) bool { return !down(r) })
}

func serviceChange(was, is bool) (notice.Event, bool) {
	switch {
	case is && !was:
		return notice.Event{Kind: notice.ServiceDown, From: "up", To: "down", Cause: "too few of its real servers are up"}, true
	case was && !is:
		return notice.Event{Kind: notice.ServiceUp, From: "down", To: "up"}, true
	}
	return notice.Event{}, false
}
