package health

import (
	"strings"
	"testing"
	"time"
)

var start = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// runMachine feeds results, one a second: S is a success, F a failure. What it
// gives has the state after each one (?, U, D), with a small letter while the
// state is in doubt and a star where it flaps.
func runMachine(t Timing, m machine, results string) (machine, string) {
	var b strings.Builder
	for i, r := range results {
		m, _ = m.step(t, r == 'S', start.Add(time.Duration(i)*time.Second))
		letter := map[State]string{Unknown: "?", Up: "U", Down: "D"}[m.state]
		if m.changing() {
			letter = strings.ToLower(letter)
		}
		b.WriteString(letter)
		if m.flapping {
			b.WriteByte('*')
		}
	}
	return m, b.String()
}

func TestMachine(t *testing.T) {
	for _, tt := range []struct {
		name       string
		rise, fall int
		results    string
		want       string
	}{
		{"first success is enough", 3, 3, "S", "U"},
		{"first failures are not", 3, 3, "FF", "??"},
		{"unknown falls", 3, 3, "FFF", "??D"},
		{"unknown comes up between", 3, 3, "FFSFF", "??Uuu"},
		{"one failure is doubt", 2, 2, "SFSFS", "UuUuU"},
		{"fall", 2, 3, "SFFF", "UuuD"},
		{"rise", 3, 1, "FSSS", "DddU"},
		{"rise interrupted", 3, 1, "FSSFSSS", "DddDddU"},
		{"at once", 1, 1, "SFSF", "UDUD"},
		{"flapping", 1, 1, "SFSFSFSF", "UDUDUD*U*D*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, got := runMachine(Timing{Rise: tt.rise, Fall: tt.fall}, machine{}, tt.results)
			if got != tt.want {
				t.Errorf("%s gave %s, want %s", tt.results, got, tt.want)
			}
		})
	}
}

func TestMachineSince(t *testing.T) {
	m, _ := runMachine(Timing{Rise: 2, Fall: 2}, machine{}, "SSFFFFS")
	if want := start.Add(3 * time.Second); m.state != Down || !m.since.Equal(want) {
		t.Errorf("%s since %s, want down since %s", m.state, m.since, want)
	}
}

func TestFlappingIsToldOnce(t *testing.T) {
	timing := Timing{Rise: 1, Fall: 1}
	var m machine
	var c change
	at := start
	told, ended := 0, 0
	step := func(ok bool) {
		at = at.Add(10 * time.Second)
		m, c = m.step(timing, ok, at)
		if c.flapping && m.flapping {
			told++
		}
		if c.flapping && !m.flapping {
			ended++
		}
	}
	for i := range 40 {
		step(i%2 == 0)
	}
	if told != 1 || ended != 0 || !m.flapping {
		t.Errorf("while it flaps: told %d times, ended %d times", told, ended)
	}
	last := at
	for m.flapping && at.Sub(last) < 2*flapWindow {
		step(false)
	}
	if ended != 1 || at.Sub(last) > flapWindow {
		t.Errorf("settled after %s, ended %d times", at.Sub(last), ended)
	}
}

// From any state, rise or fall equal results in a row decide.
func TestMachineAlwaysDecides(t *testing.T) {
	timing := Timing{Rise: 3, Fall: 2}
	for history := range 1 << 8 {
		var m machine
		for i := range 8 {
			m, _ = m.step(timing, history>>i&1 == 1, start)
		}
		for _, ok := range []bool{true, false} {
			after := m
			for range 3 {
				after, _ = after.step(timing, ok, start)
			}
			if after.state != stateOf(ok) || after.changing() {
				t.Fatalf("history %08b: %s after three times %v", history, after.state, ok)
			}
		}
	}
}

func TestStateText(t *testing.T) {
	for _, s := range []State{Unknown, Up, Down} {
		text, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := back.UnmarshalText(text); err != nil || back != s {
			t.Errorf("%s came back as %s, %v", s, back, err)
		}
	}
	var s State
	if err := s.UnmarshalText([]byte("dead")); err == nil {
		t.Error("dead is a state")
	}
}
