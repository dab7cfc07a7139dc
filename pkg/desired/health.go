package desired

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
)

// ServerKey identifies a real server behind one key of a virtual service.
type ServerKey struct {
	Service lvs.ServiceKey
	Server  netip.AddrPort
}

// Health is what the checks say of the real servers.
type Health struct {
	Checks   map[ServerKey][]health.Key
	Snapshot health.Snapshot
	Lost     map[lvs.ServiceKey]bool // whether the quorum was lost at the last judgement; nothing for a service that was not judged yet
}

// Verdict is what follows from health for each service and server.
type Verdict struct {
	Servers  map[ServerKey]Server
	Services map[lvs.ServiceKey]Service
	Next     time.Time // when a weight changes by nothing but time; zero if none does
}

// Service is the verdict on a virtual service.
type Service struct {
	Lost     bool // its quorum
	Ignoring bool // so few servers are up that failures are not believed
}

// Server is the verdict on a real server.
type Server struct {
	health.Server
	Weight  int32 // in force
	Present bool  // it stands in the table at all
	Drained bool  // by the operator: that it does not serve is no failure
}

// Lost gives what the next judgement needs to know of this one.
func (v Verdict) Lost() map[lvs.ServiceKey]bool {
	lost := make(map[lvs.ServiceKey]bool, len(v.Services))
	for key, s := range v.Services {
		lost[key] = s.Lost
	}
	return lost
}

// stepTime is the shortest time between two steps of a slow start: a weight of
// thousands needs no change for each of them.
const stepTime = 500 * time.Millisecond

// judge collects a verdict.
type judge struct {
	Input
	words   override.Index
	verdict Verdict
}

// Judge says which real servers serve and with what weight. Equal arguments give
// equal verdicts.
//
// A server of unknown health stays as the kernel has it, whatever that is; one
// that the kernel does not have waits. So a restart changes nothing, and no new
// server gets traffic before its first success.
func Judge(c *config.Config, in Input) Verdict {
	j := &judge{Input: in, words: in.Overrides.Index(), verdict: Verdict{
		Servers:  map[ServerKey]Server{},
		Services: map[lvs.ServiceKey]Service{},
	}}
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			j.service(v, key)
		}
	}
	return j.verdict
}

func (j *judge) service(v config.Virtual, key lvs.ServiceKey) {
	kernel := weights(j.Known[key])
	judged := make([]Server, len(v.Real))
	words := make([]word, len(v.Real))
	count := tally{}
	for i, r := range v.Real {
		words[i] = wordOn(j.words, v, r)
		judged[i].Server = j.health(ServerKey{key, r.Server(key).Key}, r)
		judged[i].Drained = words[i].drains()
		count.add(r, judged[i])
	}
	belief := count.belief(v.MinAvailable)
	up := int64(0)
	for i, r := range v.Real {
		has, known := kernel[r.Server(key).Key]
		s := &judged[i]
		switch {
		case s.State == health.Up, s.State == health.Down && belief == ignored && !off(r):
			s.Weight, s.Present = full(r, s.Server), true
			up += int64(s.Weight)
			s.Weight = words[i].weight(s.Weight)
			j.climb(v, s, has)
		case s.State == health.Down && (belief == believed || off(r)):
			s.Present = v.Quiescent
		default:
			s.Weight, s.Present = held(words[i].weight(r.Weight), has, known), known || v.Quiescent
			up += likely(r, s.Weight, s.Drained)
		}
		s.Present = s.Present && !words[i].removed()
	}
	met := v.Quorum.Met(j.wasMet(v, key), up)
	for i, r := range v.Real {
		if !met && len(v.Fallback) > 0 {
			judged[i].Weight = 0
		}
		j.verdict.Servers[ServerKey{key, r.Server(key).Key}] = judged[i]
	}
	j.verdict.Services[key] = Service{Lost: !met, Ignoring: belief == ignored && count.down > 0}
}

// likely is what a server of unknown health counts for the quorum. With a weight in
// the kernel it may be on its way up; a drained one has none, whatever its health is.
func likely(r config.Real, has int32, drained bool) int64 {
	if has > 0 || drained {
		return int64(max(has, r.Weight))
	}
	return 0
}

func weights(s lvs.Service) map[netip.AddrPort]int32 {
	m := make(map[netip.AddrPort]int32, len(s.Servers))
	for _, r := range s.Servers {
		m[r.Key] = r.Weight
	}
	return m
}

// health is the state of a server by its checks. One that the operator switched
// off is down whatever else is known.
func (j *judge) health(id ServerKey, r config.Real) health.Server {
	s := j.Health.Snapshot.Server(j.Health.Checks[id])
	if off(r) {
		s.State = health.Down
	}
	return s
}

func off(r config.Real) bool {
	for _, c := range r.Checks {
		if c.Spec.Kind() == "off" {
			return true
		}
	}
	return false
}

// full is the weight of a server that is up: the configured one, or the one that
// it asks for itself if it is to get any traffic at all.
func full(r config.Real, s health.Server) int32 {
	if s.Weight != nil && r.Weight > 0 {
		return *s.Weight
	}
	return r.Weight
}

// held is the weight of a server of which nothing is known yet, and that is to have
// another one.
func held(goal, has int32, known bool) int32 {
	if !known || goal == 0 {
		return 0
	}
	return has
}

// climb lowers the weight of a server that came up a short time ago. It is never
// lower than what the kernel has: whoever serves already, because only the
// daemon is new, goes on.
func (j *judge) climb(v config.Virtual, s *Server, has int32) {
	if s.State != health.Up || s.Since.IsZero() || v.SlowStart == 0 {
		return
	}
	goal := s.Weight
	s.Weight = max(health.SlowStart(goal, j.Now.Sub(s.Since), v.SlowStart), min(has, goal))
	if s.Weight >= goal {
		return
	}
	// The next weight is reached when its share of the time has passed.
	due := s.Since.Add(v.SlowStart * time.Duration(s.Weight+1) / time.Duration(goal)).Add(time.Millisecond)
	if earliest := j.Now.Add(stepTime); due.Before(earliest) {
		due = earliest
	}
	if j.verdict.Next.IsZero() || due.Before(j.verdict.Next) {
		j.verdict.Next = due
	}
}

// wasMet tells whether the quorum was met before. A daemon that has just started
// reads it from the kernel: there a fallback serves where it was lost.
func (j *judge) wasMet(v config.Virtual, key lvs.ServiceKey) bool {
	if lost, judged := j.Health.Lost[key]; judged {
		return !lost
	}
	kernel := weights(j.Known[key])
	for _, f := range v.Fallback {
		if _, serves := kernel[f.Server(key).Key]; serves {
			return false
		}
	}
	return true
}

// belief is what is made of failures.
type belief uint8

const (
	believed  belief = iota
	ignored          // too many at once to be true
	undecided        // servers of which nothing is known yet would decide it
)

// tally counts the servers that the operator wants to serve.
type tally struct{ up, down, unknown int }

func (t *tally) add(r config.Real, s Server) {
	switch {
	case off(r) || r.Weight == 0 || s.Drained:
	case s.State == health.Up:
		t.up++
	case s.State == health.Down:
		t.down++
	default:
		t.unknown++
	}
}

func (t tally) belief(minAvailable int) belief {
	all := t.up + t.down + t.unknown
	switch {
	case !health.IgnoreFailures(minAvailable, t.up, all):
		return believed
	case health.IgnoreFailures(minAvailable, t.up+t.unknown, all):
		return ignored
	}
	return undecided
}
