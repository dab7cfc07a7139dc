package health

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSnapshotServer(t *testing.T) {
	five, nine := int32(5), int32(9)
	early, late := start, start.Add(time.Minute)
	s := Snapshot{
		"up":      {State: Up, Since: early},
		"later":   {State: Up, Since: late, Flapping: true},
		"down":    {State: Down, Since: late, Last: Probe{Error: "connection refused"}},
		"earlier": {State: Down, Since: early, Last: Probe{Error: "timed out"}},
		"unknown": {State: Unknown, Since: late, Last: Probe{Error: "not yet"}},
		"five":    {State: Up, Since: early, Weight: &five},
		"nine":    {State: Up, Since: early, Weight: &nine},
	}
	for _, tt := range []struct {
		name   string
		checks []Key
		want   Server
	}{
		{"no checks", nil, Server{State: Up}},
		{"up", []Key{"up"}, Server{State: Up, Since: early}},
		{"up since the later", []Key{"later", "up"}, Server{State: Up, Since: late, Flapping: true}},
		{"one is down", []Key{"up", "down", "up"}, Server{State: Down, Since: late, Error: "connection refused"}},
		{"down since the earlier", []Key{"down", "earlier"}, Server{State: Down, Since: early, Error: "connection refused"}},
		{"down beats unknown", []Key{"unknown", "down"}, Server{State: Down, Since: late, Error: "connection refused"}},
		{"unknown beats up", []Key{"up", "unknown"}, Server{State: Unknown, Since: late}},
		{"not there", []Key{"up", "nothing"}, Server{State: Unknown}},
		{"least weight", []Key{"nine", "up", "five"}, Server{State: Up, Since: early, Weight: &five}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, s.Server(tt.checks)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
