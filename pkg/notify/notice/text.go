package notice

import (
	"fmt"
	"strings"
	"time"
)

// timeForm has the zone: readers and directors may be far apart.
const timeForm = time.DateTime + " MST"

// Headline says what happened in a few words.
func (e Event) Headline() string {
	still := ""
	if e.Reminder {
		still = "still "
	}
	switch e.Kind {
	case ServerDown, ServerUp, ServiceDown, ServiceUp:
		state := "down"
		if e.Kind.Ends() {
			state = "up"
		}
		return e.who() + " is " + still + state
	case ServerFlapping:
		return e.who() + " is " + still + "flapping"
	case RoleChanged:
		return e.who() + " is now " + e.To
	case SplitBrain:
		return e.who() + " is " + still + "active on two directors"
	case SplitBrainOver:
		return e.who() + " is active on one director again"
	case SyncBehind:
		return "director " + e.Address + " " + still + "lacks connections"
	case SyncCaughtUp:
		return "director " + e.Address + " holds the connections again"
	case ReloadRefused:
		return "the new configuration is " + still + "refused"
	case ReloadTaken:
		return "the configuration is accepted again"
	case KernelError:
		return "the kernel is " + still + "not as configured"
	case KernelOK:
		return "the kernel is as configured again"
	case Drift:
		return "somebody else's change of the kernel was undone"
	case Test:
		return "this is a test"
	}
	return string(e.Kind)
}

// who names the server, service or instance.
func (e Event) who() string {
	name := "the director"
	switch {
	case e.Real != "":
		name = "real server " + e.Virtual + "/" + e.Real
	case e.Virtual != "":
		name = "service " + e.Virtual
	case e.Instance != "":
		name = "vrrp " + e.Instance
	}
	if e.Address != "" {
		name += " (" + e.Address + ")"
	}
	return name
}

// Text is the headline with the cause and what was before, in one line unless
// the cause has several.
func (e Event) Text() string {
	text := e.Headline()
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	switch {
	case e.Reminder:
		text += fmt.Sprintf(" (since %s)", e.Time.Format(timeForm))
	case e.From != "" && !e.Since.IsZero():
		text += fmt.Sprintf(" (was %s for %s)", e.From, e.Time.Sub(e.Since).Round(time.Second))
	case e.From != "":
		text += fmt.Sprintf(" (was %s)", e.From)
	}
	return text
}

// Message is several events for one receiver. Its exported names are what a
// template can use.
type Message struct {
	Director string
	Time     time.Time     // when it was put together
	Hold     time.Duration // how long a problem lasts that is not told of again; 0: nobody knows
	Events   []Event       // the oldest first; at least one
	Lost     int           // events since the last message that the receiver will never get
}

// Subject is a message in one line: the headline of its event, or how many
// there are of each kind.
func (m Message) Subject() string {
	if len(m.Events) == 1 {
		return oneLine(fmt.Sprintf("[%s] %s", m.Director, m.Events[0].Headline()))
	}
	var counts []string
	for _, t := range table {
		n := 0
		for _, e := range m.Events {
			if e.Kind == t.kind {
				n++
			}
		}
		if n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, t.kind))
		}
	}
	return fmt.Sprintf("[%s] %d events: %s", m.Director, len(m.Events), strings.Join(counts, ", "))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Text is a line for each event, and one for those that were lost.
func (m Message) Text() string {
	var b strings.Builder
	for _, e := range m.Events {
		fmt.Fprintf(&b, "%s  %s\n", e.Time.Format(timeForm), strings.ReplaceAll(e.Text(), "\n", "\n  "))
	}
	if m.Lost > 0 {
		fmt.Fprintf(&b, "not told: %d earlier events\n", m.Lost)
	}
	return b.String()
}
