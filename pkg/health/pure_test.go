package health

import (
	"math"
	"testing"
	"testing/quick"
	"time"
)

func TestQuorum(t *testing.T) {
	for _, tt := range []struct {
		name   string
		quorum Quorum
		before bool
		up     int64
		want   bool
	}{
		{"none", Quorum{}, false, 0, true},
		{"met", Quorum{3, 0}, false, 3, true},
		{"lost", Quorum{3, 0}, true, 2, false},
		{"kept by hysteresis", Quorum{3, 1}, true, 2, true},
		{"lost below hysteresis", Quorum{3, 1}, true, 1, false},
		{"not met again yet", Quorum{3, 1}, false, 3, false},
		{"met again", Quorum{3, 1}, false, 4, true},
		{"no server is no quorum", Quorum{1, 5}, true, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.quorum.Met(tt.before, tt.up); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// More weight never loses a quorum, and between the two limits it stays.
func TestQuorumProperties(t *testing.T) {
	holds := func(weight, hysteresis uint8, up uint8) bool {
		q := Quorum{int64(weight), int64(hysteresis)}
		more := int64(up) + 1
		for _, before := range []bool{true, false} {
			if q.Met(before, int64(up)) && !q.Met(before, more) {
				return false
			}
		}
		return !q.Met(false, int64(up)) || q.Met(true, int64(up))
	}
	if err := quick.Check(holds, &quick.Config{MaxCount: 10000}); err != nil {
		t.Error(err)
	}
}

func TestIgnoreFailures(t *testing.T) {
	for _, tt := range []struct {
		name             string
		percent, up, all int
		want             bool
	}{
		{"off", 0, 0, 10, false},
		{"half of them", 50, 5, 10, false},
		{"below half", 50, 4, 10, true},
		{"a third of three", 33, 1, 3, false},
		{"all down", 1, 0, 3, true},
		{"all up", 100, 3, 3, false},
		{"no servers", 50, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := IgnoreFailures(tt.percent, tt.up, tt.all); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestSlowStart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		weight  int32
		elapsed time.Duration
		want    int32
	}{
		{"begins at 1", 100, 0, 1},
		{"clock went back", 100, -time.Hour, 1},
		{"half way", 100, 30 * time.Second, 50},
		{"almost", 100, time.Minute - 1, 99},
		{"done", 100, time.Minute, 100},
		{"long done", 100, time.Hour, 100},
		{"weight 1", 1, 0, 1},
		{"weight 0 stays", 0, 30 * time.Second, 0},
		{"weight 2", 2, 59 * time.Second, 1},
		{"largest", math.MaxInt32, 30 * time.Second, math.MaxInt32 / 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := SlowStart(tt.weight, tt.elapsed, time.Minute); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if got := SlowStart(100, 0, 0); got != 100 {
		t.Errorf("without slow start: got %d", got)
	}
}

// The weight is from 1 to the full one, and does not fall while time goes on.
func TestSlowStartProperties(t *testing.T) {
	holds := func(weight int32, slowStart, a, b uint32) bool {
		weight = max(1, weight&math.MaxInt32)
		early, late := time.Duration(min(a, b))*time.Second, time.Duration(max(a, b))*time.Second
		all := time.Duration(slowStart) * time.Second
		first, second := SlowStart(weight, early, all), SlowStart(weight, late, all)
		return 1 <= first && first <= second && second <= weight
	}
	if err := quick.Check(holds, &quick.Config{MaxCount: 10000}); err != nil {
		t.Error(err)
	}
}
