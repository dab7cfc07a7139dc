package reconcile

import (
	"time"

	"github.com/lvsd/lvsd/pkg/plan"
)

// The delay before something that failed is tried again doubles from firstDelay
// to lastDelay.
const (
	firstDelay = time.Second
	lastDelay  = time.Minute
)

// attempt is when something that failed is due again; zero if it did not fail.
type attempt struct {
	delay time.Duration
	due   time.Time
}

// after gives the attempt that follows an outcome.
func (a attempt) after(err error) attempt {
	if err == nil {
		return attempt{}
	}
	delay := min(max(2*a.delay, firstDelay), lastDelay)
	return attempt{delay: delay, due: time.Now().Add(delay)}
}

// backoff holds the operations that failed, by their text: another wanted value
// is another operation and is not held up.
type backoff map[string]attempt

// waits tells whether an operation is not yet due again.
func (b backoff) waits(op plan.Op) bool {
	if len(b) == 0 {
		return false
	}
	return time.Now().Before(b[op.String()].due)
}

// note remembers the outcome of an operation.
func (b backoff) note(op plan.Op, err error) {
	if err == nil && len(b) == 0 {
		return
	}
	if err == nil {
		b.forget(op)
		return
	}
	text := op.String()
	b[text] = b[text].after(err)
}

// forget lets an operation be done at the next opportunity: what it waits for is
// another one, whose back-off says when that is.
func (b backoff) forget(op plan.Op) {
	if len(b) > 0 {
		delete(b, op.String())
	}
}

// keep forgets the operations that are no longer planned.
func (b backoff) keep(planned []plan.Op) {
	if len(b) == 0 {
		return
	}
	texts := make(map[string]bool, len(planned))
	for _, op := range planned {
		texts[op.String()] = true
	}
	for text := range b {
		if !texts[text] {
			delete(b, text)
		}
	}
}
