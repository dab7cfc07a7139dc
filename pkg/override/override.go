// Package override is the operator's word about real servers and the director:
// drained, or of another weight than the file says, until it is taken back. It is
// pure; what it means for the kernel is decided in package desired.
package override

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Scope is how much a target covers.
type Scope uint8

// The scopes.
const (
	OneServer   Scope = iota // a real server of one virtual service
	EveryServer              // a real server in all virtual services, by its name or its address
	Director                 // the director itself, in all VRRP instances
)

// Target is what an override is about.
type Target struct {
	Scope   Scope
	Virtual string // OneServer only
	Server  string // a name; for EveryServer also an address
}

// Of is the target of one server of a virtual service.
func Of(virtual, server string) Target { return Target{OneServer, virtual, server} }

// Everywhere is the target of a server in all services, by name or address.
func Everywhere(server string) Target { return Target{Scope: EveryServer, Server: server} }

// Self is the target of the director itself.
var Self = Target{Scope: Director}

// String writes a target: "web/web1", "*/web1", "director".
func (t Target) String() string {
	switch t.Scope {
	case EveryServer:
		return "*/" + t.Server
	case Director:
		return "director"
	}
	return t.Virtual + "/" + t.Server
}

// ParseTarget reads a target as String writes it.
func ParseTarget(s string) (Target, error) {
	if s == Self.String() {
		return Self, nil
	}
	virtual, server, ok := strings.Cut(s, "/")
	switch {
	case !ok || virtual == "" || server == "":
		return Target{}, fmt.Errorf("%q names no server: expected SERVICE/SERVER", s)
	case virtual == "*":
		return Everywhere(server), nil
	}
	return Of(virtual, server), nil
}

// MarshalText writes the target as String does.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Target) UnmarshalText(text []byte) error {
	parsed, err := ParseTarget(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// Covers tells whether a target is about a real server.
func (t Target) Covers(virtual, server string, address netip.Addr) bool {
	switch t.Scope {
	case OneServer:
		return t.Virtual == virtual && t.Server == server
	case EveryServer:
		return t.Server == server || t.Server == address.String()
	}
	return false
}

// Override is one word of the operator. A drain is an override with weight 0.
type Override struct {
	Target   Target    `json:"target"`
	Weight   int32     `json:"weight"` // instead of the configured one; 0 is a drain
	Since    time.Time `json:"since"`
	By       string    `json:"by"`       // the user
	Reason   string    `json:"reason"`   // in the operator's words, or ""
	Remove   bool      `json:"remove"`   // the drained servers are deleted once they are empty
	Deadline time.Time `json:"deadline"` // then they are deleted in any case; zero is never
	Removed  time.Time `json:"removed"`  // when that was; zero before
}

// Drains tells whether the override takes all new connections away.
func (o Override) Drains() bool { return o.Weight == 0 }

// Verb says what the override does: "drained", "weight 5".
func (o Override) Verb() string {
	switch {
	case !o.Drains():
		return fmt.Sprintf("weight %d", o.Weight)
	case !o.Removed.IsZero():
		return "drained and removed"
	}
	return "drained"
}

// Set is all overrides in force, sorted by target, no target twice. It is not
// changed once it is made.
type Set []Override

// With gives the set with one override more, in the place of the one with the same
// target.
func (s Set) With(o Override) Set {
	all := append(s.Without(o.Target), o)
	slices.SortFunc(all, func(a, b Override) int { return compare(a.Target, b.Target) })
	return all
}

// Without gives the set without the override of a target.
func (s Set) Without(t Target) Set {
	return slices.DeleteFunc(slices.Clone(s), func(o Override) bool { return o.Target == t })
}

// Get gives the override of exactly this target.
func (s Set) Get(t Target) (Override, bool) {
	i := slices.IndexFunc(s, func(o Override) bool { return o.Target == t })
	if i < 0 {
		return Override{}, false
	}
	return s[i], true
}

// Index finds the override of a real server without a look at all of them: a director
// may have thousands of servers.
type Index struct {
	one   map[Target]Override
	every map[string]Override // by name or address
}

// Index makes the index of a set.
func (s Set) Index() Index {
	i := Index{one: map[Target]Override{}, every: map[string]Override{}}
	for _, o := range s {
		switch o.Target.Scope {
		case OneServer:
			i.one[o.Target] = o
		case EveryServer:
			i.every[o.Target.Server] = o
		}
	}
	return i
}

// On gives the override that decides about a real server. Of several a drain wins,
// so that nobody brings back by a weight what somebody else took out; then the one
// about this server alone.
func (i Index) On(virtual, server string, address netip.Addr) (Override, bool) {
	best, found := i.one[Of(virtual, server)]
	if len(i.every) == 0 {
		return best, found
	}
	for _, name := range []string{server, address.String()} {
		if o, ok := i.every[name]; ok && (!found || o.decides(best)) {
			best, found = o, true
		}
	}
	return best, found
}

// decides tells whether o counts and not the other one. One that has removed the
// server goes before one that only drains it.
func (o Override) decides(other Override) bool {
	if o.Drains() != other.Drains() {
		return o.Drains()
	}
	if o.Removed.IsZero() != other.Removed.IsZero() {
		return other.Removed.IsZero()
	}
	return compare(o.Target, other.Target) < 0
}

func compare(a, b Target) int {
	return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Virtual, b.Virtual), cmp.Compare(a.Server, b.Server))
}
