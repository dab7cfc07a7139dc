package vrrp

import (
	"fmt"
	"net/netip"
	"time"
)

// State is a state of the protocol's machine (RFC 9568 section 6.3).
type State uint8

// The states. Fault is the RFC's Initialize, entered and left because of what
// is tracked.
const (
	Initialize State = iota
	Backup
	Active
	Fault
)

func (s State) String() string {
	switch s {
	case Initialize:
		return "initialize"
	case Backup:
		return "backup"
	case Active:
		return "active"
	case Fault:
		return "fault"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Kind is what an Event tells.
type Kind uint8

// The kinds of events.
const (
	// Changed: the machine went from Old to State.
	Changed Kind = iota + 1
	// Late: the active router's advert did not come in time.
	Late
	// Rival: an advert of lower precedence came while we are active. One may have been
	// under way; but who sent it may have told the neighbours that the addresses are
	// there, so that they have to be told anew.
	Rival
	// SplitBrain: somebody of lower precedence is active beside us.
	SplitBrain
	// Healed: nobody else is active any more, or we are not.
	Healed
	// Differ: the active router advertises other addresses than we would.
	Differ
)

func (k Kind) String() string {
	switch k {
	case Changed:
		return "changed"
	case Late:
		return "late"
	case Rival:
		return "rival"
	case SplitBrain:
		return "split brain"
	case Healed:
		return "split brain is over"
	case Differ:
		return "addresses differ"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Event is something that people want to know.
type Event struct {
	Instance   string // set by the Router
	Time       time.Time
	Kind       Kind
	Old, State State      // Changed
	Source     netip.Addr // who sent the advert that caused it; zero if none did
	Why        string
}

// Output is what a machine wants done.
type Output struct {
	Adverts []uint8 // send one with each of these priorities, in this order
	Events  []Event
}

// Settings are what the operator decides about an instance.
type Settings struct {
	Version      Version
	VRID         uint8
	Priority     uint8 // 1 to 254, or Owner
	Interval     time.Duration
	Preempt      bool          // take over from a router of lower priority
	PreemptDelay time.Duration // but only so long after it was first heard
	InitialDead  time.Duration // for so long after the start silence means nothing, if it is longer than the dead time
	Warn         time.Duration // silence that is told as Late; 0 for none
	Addresses    []netip.Addr  // what the adverts carry
	Password     string        // version 2
	Plain        bool          // see Advert
	Resume       bool          // the router was active a moment ago, in a process before this one: it starts active
}

// Heard is an advert with where it came from.
type Heard struct {
	Advert
	Source netip.Addr // who sent it
	Local  netip.Addr // our own address on that link
	Link   int        // the place of the link among those of the instance
}

// Verify holds that an advert is for this instance and from one that is
// configured like it (RFC 9568 section 7.1, RFC 3768 section 7.1).
func (s *Settings) Verify(a Advert) error {
	switch {
	case a.VRID != s.VRID:
		return refuse(WrongVRID, "VRID %d", a.VRID)
	case a.Version != s.Version:
		return refuse(WrongVersion, "version %d", a.Version)
	case a.Password != s.Password:
		return refuse(WrongAuth, "another password")
	case a.Version == V2 && a.Interval != s.Interval:
		return refuse(WrongInterval, "interval %s", a.Interval)
	}
	return nil
}

// Advert is the advert that the instance sends with a priority.
func (s *Settings) Advert(priority uint8) Advert {
	return Advert{
		Version:   s.Version,
		VRID:      s.VRID,
		Priority:  priority,
		Interval:  s.Interval,
		Addresses: s.Addresses,
		Password:  s.Password,
		Plain:     s.Plain,
	}
}
