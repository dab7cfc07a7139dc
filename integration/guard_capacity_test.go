//go:build bench

package integration

import (
	"slices"
	"testing"
	"time"
)

// TestGuardCapacity finds the flood at which a client begins to fail, without the
// guard and with it. Each mode begins with a fresh director and goes up in steps
// of √2 until two rates in a row are too much: a single one may be the machine's
// fault.
func TestGuardCapacity(t *testing.T) {
	for _, way := range []string{"dr", "nat"} {
		borne := map[string]int{}
		for _, mode := range []string{"off", "counting", "enforcing"} {
			t.Run(way+"/"+mode, func(t *testing.T) { borne[mode] = besiege(t, way).capacity(mode) })
		}
		t.Logf("%s: a client is served up to a flood of %d frames/s without the guard, %d counting, %d enforcing: %.1f times as many",
			way, borne["off"], borne["counting"], borne["enforcing"], float64(borne["enforcing"])/float64(max(1, borne["off"])))
	}
}

// steps are the rates, in frames/s.
var steps = []int{10_000, 14_000, 20_000, 28_000, 40_000, 56_000, 80_000, 112_000, 160_000, 224_000, 320_000, 448_000, 640_000, 896_000, 1_280_000}

// capacity is the last of the steps that leaves a client be.
func (s *siege) capacity(mode string) (borne int) {
	s.t.Helper()
	quiet := s.assault(mode, 0, assaultTime)
	s.t.Logf("without a flood: %s", quiet)
	// A lost SYN is sent again after a second (RFC 6298).
	slow := min(10*quiet.latency(0.99), time.Second)
	failed := 0
	for _, rate := range steps {
		a := s.assault(mode, rate, assaultTime)
		s.t.Log(a, a.by)
		if mode != "off" {
			a.exact(s.t)
		}
		if a.served() >= 0.95 && a.latency(0.95) < slow && a.sent.Rate() > rate*9/10 {
			borne, failed = rate, 0
		} else if failed++; failed == 2 {
			break
		}
	}
	if borne == 0 || slices.Max(steps) == borne {
		s.t.Errorf("%s: the limit is beyond the steps", mode)
	}
	return borne
}
