package health

import (
	"testing"
	"time"
)

func TestTimingValidate(t *testing.T) {
	second := time.Second
	for _, tt := range []struct {
		name   string
		timing Timing
		want   string
	}{
		{"defaults", Timing{}.WithDefaults(), ""},
		{"short interval", Timing{Interval: 100 * time.Millisecond}.WithDefaults(), ""},
		{"time-out above the interval", Timing{Interval: 2 * second, Timeout: 10 * second}.WithDefaults(), ""},
		{"nothing", Timing{}, "interval: 0s is shorter than 10ms\nfast_interval: 0s is shorter than 10ms\n" +
			"timeout: 0s is shorter than 10ms\nrise: 0 is less than 1\nfall: 0 is less than 1"},
		{"slow fast_interval", Timing{Interval: second, FastInterval: 2 * second}.WithDefaults(),
			"fast_interval: 2s is longer than the interval of 1s"},
		{"negative", Timing{Interval: -second, FastInterval: -second, Fall: -1}.WithDefaults(),
			"interval: -1s is shorter than 10ms\nfast_interval: -1s is shorter than 10ms\nfall: -1 is less than 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.timing.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestTimingGap(t *testing.T) {
	timing := Timing{Interval: 10 * time.Second, FastInterval: time.Second}
	for range 1000 {
		wantWithin(t, timing.gap(false, false), 9*time.Second, 11*time.Second)
		wantWithin(t, timing.gap(true, false), 900*time.Millisecond, 1100*time.Millisecond)
		wantWithin(t, timing.gap(true, true), 900*time.Millisecond, 1100*time.Millisecond)
		wantWithin(t, timing.gap(false, true), 0, 10*time.Second)
		wantWithin(t, timing.first(), 0, time.Second)
	}
}

func wantWithin(t *testing.T, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("got %s, want %s to %s", got, low, high)
	}
}
