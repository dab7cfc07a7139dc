package web

import (
	"context"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/status"
)

const (
	// tick is the time between two looks for those who watch the page. A large table
	// is looked at less often: looking takes at most one part of share of the time.
	tick  = time.Second
	share = 5

	// settle is the least time between two looks, however much changes.
	settle = 200 * time.Millisecond

	// streams is how many may watch at once.
	streams = 64
)

// hub looks at the director for all who watch the page: once for all of them, and
// not at all for nobody.
type hub struct {
	director Director
	kicked   chan struct{} // capacity 1

	reading chan struct{} // holds one while the status is read; guards what follows
	last    status.Status
	lastErr error
	at      time.Time
	took    time.Duration

	mu      sync.Mutex
	viewers map[*viewer]bool
	state   pageState
}

func newHub(d Director) *hub {
	return &hub{director: d, kicked: make(chan struct{}, 1), reading: make(chan struct{}, 1), viewers: map[*viewer]bool{}}
}

func (h *hub) kick() {
	select {
	case h.kicked <- struct{}{}:
	default:
	}
}

// read gives the status, at most as old as the least time between two looks. Who
// asks together gets the same; nobody waits longer than its context.
func (h *hub) read(ctx context.Context) (status.Status, error) {
	select {
	case h.reading <- struct{}{}:
	case <-ctx.Done():
		return status.Status{}, ctx.Err()
	}
	defer func() { <-h.reading }()
	if start := time.Now(); start.Sub(h.at) > settle {
		s, err := h.director.Status(ctx)
		if ctx.Err() != nil {
			return status.Status{}, ctx.Err() // the error of who goes away is nobody else's
		}
		h.last, h.lastErr, h.at = s, err, time.Now()
		h.took = h.at.Sub(start)
	}
	return h.last, h.lastErr
}

// pause is the time to the next look.
func (h *hub) pause() time.Duration {
	h.reading <- struct{}{}
	defer func() { <-h.reading }()
	return max(tick, share*h.took)
}

// run looks at the director again and again while somebody watches, until the
// context ends.
func (h *hub) run(ctx context.Context) {
	for ctx.Err() == nil {
		if h.watched() {
			h.look(ctx)
		}
		h.rest(ctx, h.pause())
	}
}

// rest waits for a time, or for a kick but no less than the least time.
func (h *hub) rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	start := time.Now()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
		return
	case <-h.kicked:
	}
	timer.Reset(max(0, settle-time.Since(start)))
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
