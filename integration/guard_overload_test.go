//go:build bench

package integration

import (
	"testing"
)

// tooMuch is a flood of which no processor manages all.
const tooMuch = 5_000_000

// TestGuardUnderOverload shows what a flood that takes all of the processor leaves a
// client, without the guard, and at the same rate with it. How many frames that are,
// the machine says itself. That every frame is accounted for must hold; the rest is
// a measurement, for what else the machine does makes it another.
func TestGuardUnderOverload(t *testing.T) {
	for _, way := range []string{"dr", "nat"} {
		t.Run(way, func(t *testing.T) {
			s := besiege(t, way)
			t.Logf("%s, no flood: %s", way, s.assault("off", 0, assaultTime))
			for range 3 {
				off := s.assault("off", tooMuch, assaultTime)
				t.Logf("%s: %s", way, off)
				for _, mode := range []string{"counting", "enforcing"} {
					a := s.assault(mode, off.sent.Rate(), assaultTime)
					a.exact(t)
					t.Logf("%s: %s", way, a)
				}
			}
		})
	}
}
