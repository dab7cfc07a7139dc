package health

import (
	"math/bits"
	"time"
)

// SlowStart is the weight at a time after a server came up: it climbs evenly
// from 1 to its full weight. It never falls while time goes on; a server of
// weight 0 stays there.
func SlowStart(weight int32, elapsed, slowStart time.Duration) int32 {
	if weight <= 1 || elapsed >= slowStart {
		return weight
	}
	if elapsed <= 0 {
		return 1
	}
	// 128 bits between: a weight times nanoseconds can be more than 64.
	hi, lo := bits.Mul64(uint64(weight), uint64(elapsed))
	climbed, _ := bits.Div64(hi, lo, uint64(slowStart))
	return max(1, int32(climbed))
}
