package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// sight is what a status reads of the kernel, at one time.
type sight struct {
	at        time.Time // when it was read
	services  []lvs.Service
	stats     map[lvs.ServiceKey]lvs.ServiceStats
	addresses map[lvs.AddressKey]lvs.Address
	daemons   []lvs.SyncDaemon
	err       error // why nothing was read
}

// look reads the kernel.
func (v view) look() sight {
	var s sight
	if s.services, s.stats, s.err = v.services.Read(); s.err == nil {
		s.addresses, s.err = v.devices.Addresses()
	}
	if s.err == nil {
		s.daemons, s.err = v.services.Daemons()
	}
	s.at = time.Now()
	return s
}

// lookPatience is how long who asks waits for a fresh sight before it gets an older one.
const lookPatience = 3 * time.Second

// lookout reads the kernel for all who want to know how it is: however many ask, one
// looks, at most half of the time, and a kernel that does not answer holds up nobody
// for long.
type lookout struct {
	look  func() sight
	asked chan struct{} // capacity 1

	mu           sync.Mutex
	begun, ended int           // looks
	last         sight         // the latest
	good         sight         // the latest without an error
	changed      chan struct{} // closed when the next look ends
}

func newLookout(look func() sight) *lookout {
	return &lookout{look: look, asked: make(chan struct{}, 1), changed: make(chan struct{})}
}

// run looks when somebody asks, until the context ends.
func (l *lookout) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.asked:
		}
		select {
		case <-ctx.Done():
		case <-time.After(l.once()):
		}
	}
}

// once looks, and tells how long that took.
func (l *lookout) once() time.Duration {
	begin := time.Now()
	l.mu.Lock()
	l.begun++
	n := l.begun
	l.mu.Unlock()
	s := l.look()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.ended = s, n
	if s.err == nil {
		l.good = s
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return time.Since(begin)
}

// sight gives what is seen by a look that begins after the call. If that takes too
// long it gives the latest one, which says how old it is.
func (l *lookout) sight(ctx context.Context) (sight, error) {
	l.mu.Lock()
	want := l.begun + 1
	l.mu.Unlock()
	select {
	case l.asked <- struct{}{}:
	default:
	}
	late := time.NewTimer(lookPatience)
	defer late.Stop()
	for {
		l.mu.Lock()
		last, good, ended, changed := l.last, l.good, l.ended, l.changed
		l.mu.Unlock()
		if ended >= want {
			return last, last.err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return sight{}, ctx.Err()
		case <-late.C:
			if good.at.IsZero() {
				return sight{}, errors.New("read the kernel: it does not answer")
			}
			return good, nil
		}
	}
}
