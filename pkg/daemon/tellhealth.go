package daemon

import (
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// news is an event and who hears of it: people, or only who reads the log.
type news struct {
	notice.Event
	told, logged bool
}

// verdictChanges gives the events that lie between two verdicts: servers that
// went down, came up or began to flap, and services that lost or regained their
// quorum. A server that is up at its first check is no news, one that is down is.
func verdictChanges(c *config.Config, before, after desired.Verdict, now time.Time) []news {
	var events []news
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			for _, r := range v.Real {
				id := desired.ServerKey{Service: key, Server: r.Server(key).Key}
				if n := serverNews(before.Servers[id], after.Servers[id]); n.told || n.logged {
					n.Time, n.Virtual, n.Real, n.Address = now, v.Name, r.Name, id.Server.String()
					events = append(events, n)
				}
			}
			if e, ok := serviceChange(failed(v, key, before), failed(v, key, after)); ok {
				e.Address = key.String()
				e.Time, e.Virtual = now, v.Name
				events = append(events, news{Event: e, told: true, logged: true})
			}
		}
	}
	return events
}

// serverNews tells people nothing of a server that the operator has drained, until it
// is to serve again: then how it is, which ends what they were told before. The log
// has what the checks say, drained or not.
func serverNews(before, after desired.Server) news {
	e, logged := serverChange(before.Server, after.Server)
	n := news{Event: e, told: logged && !after.Drained, logged: logged}
	if before.Drained && !after.Drained && !logged {
		n.Kind, n.told = standing(after.State)
	}
	return n
}

// standing is the event that says how a server is.
func standing(s health.State) (notice.Kind, bool) {
	switch s {
	case health.Up:
		return notice.ServerUp, true
	case health.Down:
		return notice.ServerDown, true
	}
	return "", false
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
// quorum, or every one of them is down that is not drained.
func failed(v config.Virtual, key lvs.ServiceKey, verdict desired.Verdict) bool {
	if verdict.Services[key].Lost {
		return true
	}
	wanted := 0
	for _, r := range v.Real {
		s := verdict.Servers[desired.ServerKey{Service: key, Server: r.Server(key).Key}]
		if s.Drained {
			continue
		}
		if s.State != health.Down {
			return false
		}
		wanted++
	}
	return wanted > 0
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
