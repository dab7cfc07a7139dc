// Package notice is what lvsd tells people: events, and messages of them in the
// forms that receivers want. It is pure; package notify sends.
package notice

import (
	"fmt"
	"slices"
	"time"
)

// Kind is a kind of event; its text is the word in the configuration.
type Kind string

// The kinds of events.
const (
	ServerDown     Kind = "server-down"
	ServerUp       Kind = "server-up"
	ServerFlapping Kind = "server-flapping" // told once, instead of every change
	ServiceDown    Kind = "service-down"    // no real server is left, or too few
	ServiceUp      Kind = "service-up"
	RoleChanged    Kind = "role-changed" // of a VRRP instance, or of the director by hand
	SplitBrain     Kind = "split-brain"  // two directors are active
	SplitBrainOver Kind = "split-brain-over"
	SyncBehind     Kind = "sync-behind" // another director lacks connections
	SyncCaughtUp   Kind = "sync-caught-up"
	ReloadRefused  Kind = "reload-refused" // the old configuration stays in force
	ReloadTaken    Kind = "reload-taken"   // a configuration is accepted after one was not
	KernelError    Kind = "kernel-error"   // the kernel is not as configured
	KernelOK       Kind = "kernel-ok"
	Drift          Kind = "drift" // somebody else changed the kernel, and lvsd put it right
	Test           Kind = "test"  // by hand; goes to whoever it is for, whatever that one wants
)

// phase is what an event means for the problem that it is about.
type phase uint8

const (
	once   phase = iota // no problem that lasts
	begins              // the problem is there until an event ends it
	ends
)

// traits are what the rules and formats know of a kind.
type traits struct {
	kind  Kind
	about string // what has the problem: events with the same subject are about one
	phase phase
	alert string // Alertmanager's alertname, the same for begin and end
	grave bool   // users may notice
}

var table = []traits{
	{ServerDown, "server", begins, "LvsdServerUnhealthy", false},
	{ServerUp, "server", ends, "LvsdServerUnhealthy", false},
	{ServerFlapping, "server", begins, "LvsdServerUnhealthy", false},
	{ServiceDown, "service", begins, "LvsdServiceDown", true},
	{ServiceUp, "service", ends, "LvsdServiceDown", true},
	{RoleChanged, "role", once, "LvsdRoleChanged", false},
	{SplitBrain, "split-brain", begins, "LvsdSplitBrain", true},
	{SplitBrainOver, "split-brain", ends, "LvsdSplitBrain", true},
	{SyncBehind, "sync", begins, "LvsdSyncBehind", false},
	{SyncCaughtUp, "sync", ends, "LvsdSyncBehind", false},
	{ReloadRefused, "configuration", begins, "LvsdReloadRefused", false},
	{ReloadTaken, "configuration", ends, "LvsdReloadRefused", false},
	{KernelError, "kernel", begins, "LvsdKernelError", true},
	{KernelOK, "kernel", ends, "LvsdKernelError", true},
	{Drift, "drift", once, "LvsdDrift", false},
	{Test, "test", once, "LvsdTest", false},
}

func (k Kind) traits() traits {
	i := slices.IndexFunc(table, func(t traits) bool { return t.kind == k })
	if i < 0 {
		return traits{kind: k, about: string(k), alert: "LvsdEvent"}
	}
	return table[i]
}

// Begins tells whether an event of the kind begins a problem that lasts.
func (k Kind) Begins() bool { return k.traits().phase == begins }

// Ends tells whether an event of the kind ends a problem.
func (k Kind) Ends() bool { return k.traits().phase == ends }

// Kinds are the kinds that a receiver can choose from.
func Kinds() []Kind {
	var kinds []Kind
	for _, t := range table {
		if t.kind != Test {
			kinds = append(kinds, t.kind)
		}
	}
	return kinds
}

// ParseKind reads the word of a kind that a receiver can choose.
func ParseKind(s string) (Kind, error) {
	if !slices.Contains(Kinds(), Kind(s)) {
		return "", fmt.Errorf("unknown kind of event %q", s)
	}
	return Kind(s), nil
}

// Event is something that people may want to know. Whoever knows it fills in
// what applies; its JSON form is part of the webhook's body.
type Event struct {
	Kind     Kind      `json:"kind"`
	Time     time.Time `json:"time"` // when it happened; zero is now
	Director string    `json:"director"`
	Virtual  string    `json:"virtual"`  // virtual service
	Real     string    `json:"real"`     // its real server
	Address  string    `json:"address"`  // of the server or service, as people know it
	Instance string    `json:"instance"` // VRRP instance
	Priority int       `json:"priority"` // of the instance, in a change of its role
	From     string    `json:"from"`     // state before: "up", "down", "active", "backup", "fault", …
	To       string    `json:"to"`       // state now
	Since    time.Time `json:"since"`    // when the state before had begun; zero if nobody knows
	Cause    string    `json:"cause"`    // in words
	Reminder bool      `json:"reminder"` // told before, and still so
}

// Subject is what a problem is of. Two events with the same subject are about
// the same problem.
type Subject struct{ About, Virtual, Real, Address, Instance string }

// Subject gives the event's.
func (e Event) Subject() Subject {
	return Subject{e.Kind.traits().about, e.Virtual, e.Real, e.Address, e.Instance}
}
