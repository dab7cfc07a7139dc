package status

import (
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Health is what the checks of a real server say.
type Health struct {
	State    health.State `json:"state"` // unknown, up or down: by all checks together
	Since    time.Time    `json:"since"` // of the state
	Flapping bool         `json:"flapping"`
	Error    string       `json:"error"`  // of the check that is down, or ""
	Weight   int32        `json:"weight"` // that the server is to have now: by its health, slow start, quorum
	Checks   []Check      `json:"checks"` // sorted by name
}

// Check is one check of a real server.
type Check struct {
	Name     string       `json:"name"` // in the configuration
	What     string       `json:"what"` // "http 10.0.0.2:80"
	State    health.State `json:"state"`
	Since    time.Time    `json:"since"`
	Flapping bool         `json:"flapping"`
	Last     Probe        `json:"last"`   // the latest; its time is zero before the first
	Output   string       `json:"output"` // of that probe; exec only
}

// Probes is a check's recent past.
type Probes struct {
	Service lvs.ServiceKey `json:"service"`
	Check   Check          `json:"check"`
	Timing  string         `json:"timing"` // in words
	Probes  []Probe        `json:"probes"` // at most 20, the oldest first
	Key     health.Key     `json:"-"`
}

// Probe is one run of a check.
type Probe struct {
	At      time.Time `json:"at"` // when it began
	Seconds float64   `json:"seconds"`
	OK      bool      `json:"ok"`
	Error   string    `json:"error"` // why not, or ""
}

// Add appends probes to those that are there.
func (p *Probes) Add(probes []health.Probe) {
	for _, probe := range probes {
		p.Probes = append(p.Probes, probeOf(probe))
	}
}

func probeOf(p health.Probe) Probe {
	return Probe{At: p.At, Seconds: p.Duration.Seconds(), OK: p.OK, Error: p.Error}
}

// Helper is a service of lvsd's own for checks that go through the VIP to one
// real server.
type Helper struct {
	Service lvs.ServiceKey `json:"service"`
	Virtual string         `json:"virtual"` // names in the configuration
	Server  string         `json:"server"`
	Present bool           `json:"present"` // the kernel has it
}

// helpers takes the helper services out of those of the kernel: they are not
// the users'.
func helpers(c *config.Config, kernel map[lvs.ServiceKey]lvs.Service) []Helper {
	list := []Helper{}
	for _, h := range desired.Helpers(c) {
		_, present := kernel[h.Service]
		delete(kernel, h.Service)
		list = append(list, Helper{Service: h.Service, Virtual: h.Virtual, Server: h.Server, Present: present})
	}
	return list
}

func healthOf(o Observed, id desired.ServerKey, checks []config.Check) *Health {
	if len(checks) == 0 || o.Health.Snapshot == nil {
		return nil
	}
	keys, verdict := o.Health.Checks[id], o.Verdict.Servers[id]
	s := o.Health.Snapshot.Server(keys)
	h := &Health{State: s.State, Since: s.Since, Flapping: s.Flapping, Error: s.Error, Weight: verdict.Weight, Checks: []Check{}}
	for i, c := range checks {
		if i < len(keys) {
			h.Checks = append(h.Checks, checkOf(c, o.Health.Snapshot[keys[i]]))
		}
	}
	return h
}

func checkOf(c config.Check, s health.Status) Check {
	return Check{Name: c.Name, What: s.Name, State: s.State, Since: s.Since, Flapping: s.Flapping, Last: probeOf(s.Last), Output: s.Output}
}

// ProbesOf gives the checks of a real server by its names, without their probes;
// nil if there is no such server or it has no checks.
func ProbesOf(c *config.Config, h desired.Health, virtual, server string) []Probes {
	var list []Probes
	for _, v := range c.Virtual {
		for _, r := range v.Real {
			if v.Name != virtual || r.Name != server {
				continue
			}
			for _, key := range v.Keys {
				keys := h.Checks[desired.ServerKey{Service: key, Server: r.Server(key).Key}]
				for i, k := range keys[:min(len(keys), len(r.Checks))] {
					list = append(list, Probes{
						Service: key,
						Check:   checkOf(r.Checks[i], h.Snapshot[k]),
						Timing:  r.Checks[i].Timing.String(),
						Probes:  []Probe{},
						Key:     k,
					})
				}
			}
		}
	}
	return list
}
