package notify

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/notify/notice"
)

const (
	// maxWaiting is how many events wait for a receiver before it loses the
	// oldest: a few megabytes.
	maxWaiting = 10_000

	// maxAge is for how long a message is tried.
	maxAge = 24 * time.Hour

	// lastWords is how long a receiver has, after the daemon was told to stop, to
	// take what is waiting.
	lastWords = 5 * time.Second

	firstDelay = time.Second
	maxDelay   = 5 * time.Minute
)

// receiver is a queue and the goroutine that empties it.
type receiver struct {
	name string
	log  *slog.Logger
	wake chan struct{}
	end  context.CancelFunc // of run; does nothing before it runs

	mu sync.Mutex
	settings
	director  string
	waiting   []waiting // the oldest first
	taken     []waiting // the events of the message under way
	lost      int       // events, since the last message that was taken
	reminders reminders
	pace      pace
	delay     time.Duration // after the attempts that failed in a row; 0: none did
	retry     time.Time     // when the next attempt is due after one that failed
	failures  int           // of the attempts to send what is waiting
	count     Status
}

// waiting is an event and when it began to wait.
type waiting struct {
	notice.Event
	since time.Time
}

// newReceiver makes a receiver that knows the problems that there are: it is not
// told of them now, but reminded.
func newReceiver(s settings, director string, known problems, log *slog.Logger) *receiver {
	return &receiver{
		name: s.name, log: log, wake: make(chan struct{}, 1), end: func() {},
		settings: s, director: director, reminders: newReminders(known, time.Now()),
		pace: pace{rate: s.Rate}, count: Status{Name: s.name},
	}
}

// configure changes the settings. An attempt under way ends with the old ones;
// what failed is tried with the new ones at once.
func (r *receiver) configure(s settings, director string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pace.rate = s.Rate
	r.settings, r.director, r.retry = s, director, time.Time{}
	r.kick()
}

// forget stops reminding of some problems.
func (r *receiver) forget(gone func(notice.Event) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.reminders, func(_ notice.Subject, one reminder) bool { return gone(one.event) })
}

// offer puts an event that the receiver wants into its queue.
func (r *receiver) offer(e notice.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if e.Kind.Ends() {
		delete(r.reminders, e.Subject())
	}
	if e.Kind.Begins() {
		r.reminders[e.Subject()] = reminder{e, now}
	}
	if r.wants(e.Kind) {
		r.add(e, now)
		r.kick()
	}
}

func (r *receiver) wants(k notice.Kind) bool { return slices.Contains(r.On, k) }

// add queues an event. The caller holds the mutex.
func (r *receiver) add(e notice.Event, now time.Time) {
	if len(r.waiting) >= maxWaiting {
		r.lose(1)
	}
	r.waiting = append(r.waiting, waiting{e, now})
}

// lose drops the oldest events. The caller holds the mutex.
func (r *receiver) lose(n int) {
	r.waiting = r.waiting[n:]
	r.lost += n
	r.count.Lost += n
}

// kick makes run look again.
func (r *receiver) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *receiver) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.count
	s.Waiting = len(r.waiting) + len(r.taken)
	return s
}

// run sends what is due until the context ends, and then what is left, once.
func (r *receiver) run(ctx context.Context) {
	attempts, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, cancel) })()
	for ctx.Err() == nil {
		if r.sleep(ctx, r.next()) {
			r.attempt(attempts)
		}
	}
	for r.attempt(attempts) {
		// Until nothing is left, or it is refused.
	}
}

// sleep waits until a time, zero being never, and tells whether it has come.
func (r *receiver) sleep(ctx context.Context, until time.Time) bool {
	var come <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		come = timer.C
	}
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-come:
		return ctx.Err() == nil
	}
	return false
}

// next says when to send, or to look again, and queues the reminders that are
// due; not while others are waiting, so that those for a receiver that is out of
// reach do not pile up.
func (r *receiver) next() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if len(r.waiting) > 0 {
		return r.ready(now)
	}
	if r.Repeat == 0 {
		return time.Time{}
	}
	again, next := r.reminders.due(now, r.Repeat)
	for _, e := range again {
		if r.wants(e.Kind) {
			r.add(e, now)
		}
	}
	if len(r.waiting) > 0 {
		return r.ready(now)
	}
	return next
}

// ready is when to send what is waiting. The caller holds the mutex.
func (r *receiver) ready(now time.Time) time.Time {
	return latest(r.waiting[0].since.Add(r.Collect), r.retry, r.pace.next(now))
}

// latest is the last of some times.
func latest(times ...time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}
