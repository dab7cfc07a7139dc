package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/status"
)

// probes asks the running director for the latest probes of SERVICE/SERVER.
func (p *paths) probes(ctx context.Context, name string) ([]status.Probes, error) {
	virtual, server, ok := strings.Cut(name, "/")
	if !ok {
		return nil, fmt.Errorf("%q names no server: expected SERVICE/SERVER", name)
	}
	return p.director().Probes(ctx, virtual, server)
}

func printProbes(w io.Writer, list []status.Probes) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for i, p := range list {
		if i > 0 {
			fmt.Fprintln(t)
		}
		fmt.Fprintf(t, "%s, check %s: %s %s\n", p.Service, p.Check.Name, p.Check.What, p.Timing)
		fmt.Fprintf(t, "%s since %s%s\n", p.Check.State, p.Check.Since.Format(time.DateTime), note(p.Check.Flapping, ", flapping"))
		for _, probe := range p.Probes {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", probe.At.Format("15:04:05.000"), took(probe), outcome(probe))
		}
		if p.Check.Output != "" {
			fmt.Fprintf(t, "output of the last one:\n%s\n", "  "+indent(strings.TrimRight(harmless(p.Check.Output), "\n")))
		}
	}
	return t.Flush()
}

// harmless takes out what a terminal would obey.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

func took(p status.Probe) string {
	return time.Duration(p.Seconds * float64(time.Second)).Round(10 * time.Microsecond).String()
}

func outcome(p status.Probe) string {
	if p.OK {
		return "ok"
	}
	return p.Error
}

// healthNote says how a server is, and why.
func healthNote(now time.Time, h *status.Health) string {
	if h == nil {
		return ""
	}
	word := h.State.String()
	if h.State == health.Down {
		word = "DOWN"
	}
	text := fmt.Sprintf("%s for %s", word, ago(now, h.Since))
	if h.Flapping {
		text += ", flapping"
	}
	if last := lastResult(h); last != "" {
		text += ": " + last
	}
	return text
}

// lastResult is the error of the check that is down, else that of one whose last
// probe failed, else how long the slowest took.
func lastResult(h *status.Health) string {
	if h.Error != "" {
		return h.Error
	}
	var slowest status.Probe
	for _, c := range h.Checks {
		if c.Last.Error != "" {
			return c.Last.Error
		}
		if c.Last.Seconds >= slowest.Seconds {
			slowest = c.Last
		}
	}
	if slowest.At.IsZero() {
		return ""
	}
	return "ok in " + took(slowest)
}

// ago is how long ago something was; a zero time is for ever.
func ago(now, then time.Time) string {
	if then.IsZero() {
		return "ever"
	}
	return since(now, then).String()
}

func serviceNotes(s status.Service) string {
	var notes []string
	for _, n := range []struct {
		is   bool
		text string
	}{
		{!s.Present, "MISSING"},
		{s.QuorumLost, "QUORUM LOST"},
		{s.Ignoring, "TOO FEW UP: failures are not believed"},
	} {
		if n.is {
			notes = append(notes, n.text)
		}
	}
	if n := s.SYNs; n.Telling() {
		notes = append(notes, fmt.Sprintf("unanswered? clients sent %d of %d SYNs again in %.0fs", n.Repeated, n.SYNs, n.Seconds))
	}
	return strings.Join(notes, ", ")
}
