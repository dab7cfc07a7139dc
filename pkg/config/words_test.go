package config

import (
	"testing"
	"time"
)

func TestDidYouMean(t *testing.T) {
	known := []string{"scheduler", "scheduler_flags", "vip", "fwmark"}
	tests := []struct{ name, want string }{
		{"schedular", ` (did you mean "scheduler"?)`},
		{"shceduler", ` (did you mean "scheduler"?)`},
		{"Scheduler", ` (did you mean "scheduler"?)`},
		{"SCHEDULER_FLAGS", ` (did you mean "scheduler_flags"?)`},
		{"vpi", ` (did you mean "vip"?)`},
		{"ip", ` (did you mean "vip"?)`},
		{"mark", ""},
		{"rs", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if got := DidYouMean(tt.name, known); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"abc", "", 3},
		{"", "abc", 3},
		{"abc", "acb", 1},
		{"abc", "abd", 1},
		{"abc", "xabc", 1},
		{"kitten", "sitting", 3},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "0s",
		time.Second:              "1s",
		10 * time.Second:         "10s",
		10 * time.Minute:         "10m",
		10 * time.Hour:           "10h",
		time.Hour + time.Second:  "1h0m1s",
		90 * time.Minute:         "1h30m",
		1500 * time.Millisecond:  "1.5s",
		31 * 24 * time.Hour:      "744h",
		-5 * time.Minute:         "-5m",
		100 * time.Microsecond:   "100µs",
		20*time.Hour + time.Hour: "21h",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
