package integration

import (
	"fmt"
	"testing"
	"time"
)

// tooMuch is a flood of which no processor manages all.
const tooMuch = 5_000_000

// A flood that takes all of the processor from a director without the guard,
// so that its clients fail, leaves them be with it. How many frames that are,
// the machine says itself. There are three tries, because what else the machine
// does can only make the guard look worse; that every frame is accounted for
// must hold in each.
func TestGuardUnderOverload(t *testing.T) {
	for _, way := range []string{"dr", "nat"} {
		t.Run(way, func(t *testing.T) {
			s := besiege(t, way)
			why := "not tried"
			for try := 1; try <= 3 && why != ""; try++ {
				why = s.saved()
				t.Logf("try %d: %s", try, why)
			}
			if why != "" {
				t.Error(why)
			}
		})
	}
}

// saved says why the guard did not make the difference, "" if it did.
func (s *siege) saved() string {
	s.t.Helper()
	off := s.assault("off", tooMuch, assaultTime)
	most := s.assault("enforcing", tooMuch, time.Second)
	same := s.assault("enforcing", off.sent.Rate(), assaultTime)
	counting := s.assault("counting", off.sent.Rate(), time.Second)
	for _, a := range []assault{off, most, same, counting} {
		s.t.Log(a, a.by)
	}
	for _, a := range []assault{most, same, counting} {
		a.exact(s.t)
	}
	switch ratio := float64(most.sent.Rate()) / float64(off.sent.Rate()); {
	case off.served() > 0.8 && off.latency(0.99) < time.Second:
		return fmt.Sprintf("without the guard the client did not fail: %s", off)
	case ratio < 1.5:
		return fmt.Sprintf("with the guard the processor managed %.1f times as many frames, want 1.5", ratio)
	case same.served() < 0.9 || same.latency(0.5) > off.latency(0.5)/2:
		return fmt.Sprintf("with the guard, at the same rate, the client failed too: %s", same)
	}
	return ""
}
