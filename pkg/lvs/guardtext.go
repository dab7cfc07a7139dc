package lvs

import (
	"fmt"
	"strings"
)

// String names the limits that there are: "100 SYNs/s of one source, 5000
// packets/s burst 9000".
func (l GuardLimits) String() string {
	var words []string
	for _, limit := range []struct {
		rate     Rate
		what, of string
	}{
		{l.SourceSYNs, "SYNs", " of one source"},
		{l.SourcePackets, "packets", " of one source"},
		{l.SYNs, "SYNs", ""},
		{l.Packets, "packets", ""},
		{l.Fragments, "fragments", ""},
	} {
		if limit.rate.PerSecond == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s/s%s", limit.rate.PerSecond, limit.what, limit.of)
		if limit.rate.Burst != limit.rate.PerSecond {
			text += fmt.Sprintf(" burst %d", limit.rate.Burst)
		}
		words = append(words, text)
	}
	if len(words) == 0 {
		return "no limit"
	}
	return strings.Join(words, ", ")
}
