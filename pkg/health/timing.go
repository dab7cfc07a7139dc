package health

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Timing is when a check runs and how many results change its state.
type Timing struct {
	Interval     time.Duration // from the start of one probe to the start of the next
	FastInterval time.Duration // the same while the state is in doubt
	Timeout      time.Duration // for the whole of one probe
	Rise         int           // successes in a row from down to up
	Fall         int           // failures in a row from up to down
}

// The defaults of Timing. FastInterval is at most Interval, and Timeout may be
// longer than it: then a hanging server is asked again as soon as the time-out
// has ended the last probe.
const (
	DefaultInterval     = 5 * time.Second
	DefaultFastInterval = time.Second
	DefaultTimeout      = 3 * time.Second
	DefaultRise         = 2
	DefaultFall         = 2
)

// MinInterval is the shortest interval and time-out that make sense.
const MinInterval = 10 * time.Millisecond

// WithDefaults fills in what is zero.
func (t Timing) WithDefaults() Timing {
	if t.Interval == 0 {
		t.Interval = DefaultInterval
	}
	if t.FastInterval == 0 {
		t.FastInterval = min(DefaultFastInterval, t.Interval)
	}
	if t.Timeout == 0 {
		t.Timeout = DefaultTimeout
	}
	if t.Rise == 0 {
		t.Rise = DefaultRise
	}
	if t.Fall == 0 {
		t.Fall = DefaultFall
	}
	return t
}

// Validate joins what is wrong with the timing, each with the field's name in
// the configuration.
func (t Timing) Validate() error {
	var errs []error
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"interval", t.Interval}, {"fast_interval", t.FastInterval}, {"timeout", t.Timeout}} {
		if d.value < MinInterval {
			errs = append(errs, fmt.Errorf("%s: %s is shorter than %s", d.field, d.value, MinInterval))
		}
	}
	if t.FastInterval > t.Interval {
		errs = append(errs, fmt.Errorf("fast_interval: %s is longer than the interval of %s", t.FastInterval, t.Interval))
	}
	if t.Rise < 1 {
		errs = append(errs, fmt.Errorf("rise: %d is less than 1", t.Rise))
	}
	if t.Fall < 1 {
		errs = append(errs, fmt.Errorf("fall: %d is less than 1", t.Fall))
	}
	return errors.Join(errs...)
}

func (t Timing) String() string {
	return fmt.Sprintf("every %s/%s timeout %s rise %d fall %d", t.Interval, t.FastInterval, t.Timeout, t.Rise, t.Fall)
}

// startSpread bounds the time over which the first probes of new checks are
// spread: long enough to be no burst, short enough for a server to wait.
const startSpread = time.Second

// first is the delay of a new check's first probe.
func (t Timing) first() time.Duration { return rand.N(min(t.FastInterval, startSpread)) }

// gap is the time from the start of a probe to the start of the next one: the
// interval with a jitter of a tenth to both sides. The first gap that is not
// fast is anything up to the interval, so that checks that were started
// together are spread over all of it.
func (t Timing) gap(fast, spread bool) time.Duration {
	switch {
	case fast:
		return jittered(t.FastInterval)
	case spread:
		return rand.N(t.Interval) + 1
	}
	return jittered(t.Interval)
}

// jittered leaves a hundredth of the tenth to what starts in slots (connect.go).
func jittered(d time.Duration) time.Duration { return d - d*9/100 + rand.N(d*18/100+1) }
