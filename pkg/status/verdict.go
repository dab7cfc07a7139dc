package status

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// The levels of a verdict.
const (
	Well     = "well"     // all is as it should be
	Degraded = "degraded" // clients are served, and somebody should look
	Bad      = "bad"      // clients may not be served, or nobody looks after it
)

// Verdict is the answer to "is it well?".
type Verdict struct {
	Level   string   `json:"level"`   // well, degraded or bad
	Reasons []string `json:"reasons"` // why not, the worst first
	Summary string   `json:"summary"` // in any case: "active, 2 of 3 real servers serve"
}

// Judge gives the verdict on a status.
func Judge(s Status) Verdict {
	j := &judgement{}
	j.daemon(s)
	for _, v := range s.Services {
		if v.Virtual != "" {
			j.service(v)
		}
	}
	j.addresses(s)
	j.sync(s)
	j.guard(s.Guard)
	v := Verdict{Level: Well, Reasons: append(j.bad, j.degraded...), Summary: j.summary(s)}
	switch {
	case len(j.bad) > 0:
		v.Level = Bad
	case len(j.degraded) > 0:
		v.Level = Degraded
	}
	if v.Reasons == nil {
		v.Reasons = []string{}
	}
	return v
}

// judgement collects reasons and counts.
type judgement struct {
	bad, degraded            []string
	serving, servers, drains int
}

func (j *judgement) grave(format string, args ...any) {
	j.bad = append(j.bad, fmt.Sprintf(format, args...))
}

func (j *judgement) warn(format string, args ...any) {
	j.degraded = append(j.degraded, fmt.Sprintf(format, args...))
}

func (j *judgement) daemon(s Status) {
	d := s.Daemon
	if d == nil {
		j.grave("no daemon runs")
		return
	}
	switch {
	case d.Checked.IsZero():
		j.warn("the kernel was not compared with the configuration yet")
	case !d.InStep:
		j.grave("the kernel is not as configured")
	}
	if d.Reload != "" {
		j.warn("the last reload was refused")
	}
	for _, w := range s.Warnings {
		j.warn("%s", strings.SplitN(w, "\n", 2)[0])
	}
}

func (j *judgement) service(v Service) {
	name := v.Virtual + " (" + v.Service.String() + ")"
	serving, drained, down, fallback := 0, 0, []string{}, false
	for _, r := range v.Servers {
		switch {
		case r.Name == "":
			continue
		case r.Fallback:
			fallback = fallback || r.Weight > 0
			continue
		}
		j.servers++
		wanted := r.Override == nil || !r.Override.Drains()
		switch {
		case r.Weight > 0:
			serving++
		case !wanted:
			drained++
		case r.Health != nil && r.Health.State == health.Down:
			down = append(down, v.Virtual+"/"+r.Name)
		}
	}
	j.serving += serving
	j.drains += drained
	configured := slices.ContainsFunc(v.Servers, func(r Server) bool { return r.Name != "" && !r.Fallback })
	switch {
	case !v.Present:
		j.grave("the kernel does not have the service %s", name)
	case serving == 0 && !fallback && configured:
		j.grave("no real server of %s serves", name)
	case v.QuorumLost:
		j.grave("%s has lost its quorum", name)
	case serving == 0 && fallback && drained > 0 && len(down) == 0:
		j.warn("all real servers of %s are drained, the fallback serves", name)
	case serving == 0 && fallback && configured:
		j.grave("only the fallback of %s serves", name)
	case len(down) > 0:
		j.warn("%s", areDown(down))
	}
	if v.Ignoring {
		j.warn("so few servers of %s are up that failures are not believed", name)
	}
}

// guard looks after what lets more through than it should: clients are served.
func (j *judgement) guard(g *Guard) {
	if g == nil {
		return
	}
	if !g.Loaded {
		j.warn("the guard is not loaded")
		return
	}
	for _, i := range g.Interfaces {
		if i.Mode == "" {
			j.warn("the guard is not attached to %s", i.Interface)
		}
	}
	for _, text := range g.Problems {
		j.warn("guard: %s", text)
	}
}

// named is how many servers that are down are named.
const named = 5

func areDown(names []string) string {
	text := strings.Join(names[:min(len(names), named)], ", ")
	switch {
	case len(names) == 1:
		return text + " is down"
	case len(names) > named:
		return fmt.Sprintf("%s and %d more are down", text, len(names)-named)
	}
	return text + " are down"
}

func (j *judgement) addresses(s Status) {
	for _, v := range s.VIPs {
		if !v.Present {
			j.grave("the VIP %s is missing on %s", v.Address, v.Interface)
		}
	}
	for _, i := range s.VRRP {
		if i.Fault != "" {
			j.grave("vrrp %s is faulty: %s", i.Name, i.Fault)
		}
		if i.ClaimedBy != "" {
			j.grave("the host %s claims VIPs of vrrp %s too", i.ClaimedBy, i.Name)
		}
		for _, v := range i.VIPs {
			if !v.Present && i.Role == lvs.Active {
				j.grave("the VIP %s is missing on %s", v.Address, v.Interface)
			}
		}
	}
}

func (j *judgement) sync(s Status) {
	for _, d := range s.SyncDaemons {
		if d.Wanted && !d.Running {
			j.warn("the sync daemon (%s on %s) does not run", d.Role, d.Interface)
		}
	}
	if s.Sync == nil {
		return
	}
	for _, p := range s.Sync.Peers {
		switch {
		case p.Error != "":
			j.warn("the director %s does not answer about its connections", p.Address)
		case p.Behind:
			j.warn("the director %s has %d connections less than this one", p.Address, p.Apart)
		}
	}
	if s.Sync.Waiting {
		j.warn("this director waits for the connections that were before it listened")
	}
}

// summary says in a few words what the director does.
func (j *judgement) summary(s Status) string {
	var parts []string
	if role := roleOf(s.VRRP); role != "" {
		parts = append(parts, role)
	}
	if j.servers == 0 {
		parts = append(parts, "no real servers")
	} else {
		parts = append(parts, fmt.Sprintf("%d of %d real servers serve", j.serving, j.servers))
	}
	if j.drains > 0 {
		parts = append(parts, fmt.Sprintf("%d drained", j.drains))
	}
	return strings.Join(parts, ", ")
}

// roleOf is the role in all instances in a word, or how many are active.
func roleOf(instances []VRRP) string {
	if len(instances) == 0 {
		return ""
	}
	active := 0
	for _, i := range instances {
		if i.Role == lvs.Active {
			active++
		}
	}
	switch {
	case active == len(instances):
		return "active"
	case active > 0:
		return fmt.Sprintf("active in %d of %d instances", active, len(instances))
	}
	return instances[0].Role.String()
}
