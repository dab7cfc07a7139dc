package health

import "time"

// Status is what is known of one check.
type Status struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	Since    time.Time `json:"since"`
	Flapping bool      `json:"flapping,omitempty"`
	Last     Probe     `json:"last"`             // zero before the first
	Weight   *int32    `json:"weight,omitempty"` // that the server asks for, exec with dynamic_weight only
	Output   string    `json:"output,omitempty"` // of the last probe, exec only
}

// Snapshot is the status of every check at one time.
type Snapshot map[Key]Status

// Snapshot gives the status of every check.
func (c *Checker) Snapshot() Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := make(Snapshot, len(c.entries))
	for key, e := range c.entries {
		s[key] = e.status()
	}
	return s
}

func (e *entry) status() Status {
	return Status{
		Name:     e.Name,
		State:    e.machine.state,
		Since:    e.machine.since,
		Flapping: e.machine.flapping,
		Last:     e.past.latest(),
		Weight:   e.weight,
		Output:   e.last.Output,
	}
}

// History gives the latest probes of a check, the oldest first.
func (c *Checker) History(key Key) []Probe {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return nil
	}
	return e.past.list()
}

// Server is the health of a server by all of its checks: it is up if all of
// them are, and down if one is. A server without checks is up.
type Server struct {
	State    State
	Since    time.Time // zero without checks
	Flapping bool
	Error    string // of the first check that is down
	Weight   *int32 // the least that a check asks for, nil if none does
}

// Server gives the health of the server with these checks.
func (s Snapshot) Server(checks []Key) Server {
	server := Server{State: Up}
	for _, key := range checks {
		server = server.and(s[key])
	}
	return server
}

// and adds one check. Of two in the same state, an up server is up since the
// later one came up, any other is what it is since the earlier one.
func (s Server) and(c Status) Server {
	s.Flapping = s.Flapping || c.Flapping
	if c.Weight != nil && (s.Weight == nil || *c.Weight < *s.Weight) {
		s.Weight = c.Weight
	}
	switch {
	case severity(c.State) > severity(s.State):
		s.State, s.Since, s.Error = c.State, c.Since, ""
	case c.State != s.State:
		return s
	case c.State == Up && c.Since.After(s.Since), c.State != Up && c.Since.Before(s.Since):
		s.Since = c.Since
	}
	if c.State == Down && s.Error == "" {
		s.Error = c.Last.Error
	}
	return s
}

// severity orders the states by which of them decides.
func severity(s State) int {
	return map[State]int{Up: 0, Unknown: 1, Down: 2}[s]
}
