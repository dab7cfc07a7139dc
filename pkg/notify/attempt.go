package notify

import (
	"context"
	"time"

	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// attempt sends one message of what is waiting, as much as fits, and tells
// whether it was taken. Events that come meanwhile wait for the next one.
func (r *receiver) attempt(ctx context.Context) bool {
	s, m := r.take()
	if len(m.Events) == 0 {
		return false
	}
	err := s.attempt(ctx, m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed(s, err)
	} else {
		r.succeeded(m)
	}
	return err == nil
}

// take moves events from the queue to a message and gives the settings to send
// it with.
func (r *receiver) take() (settings, notice.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.expire(now)
	if len(r.waiting) == 0 {
		return r.settings, notice.Message{}
	}
	r.pace.note(now)
	n := min(len(r.waiting), r.batch)
	r.taken, r.waiting = r.waiting[:n:n], r.waiting[n:]
	m := notice.Message{Director: r.director, Lost: r.lost}
	for _, w := range r.taken {
		m.Events = append(m.Events, w.Event)
	}
	return r.settings, m
}

// expire drops what is too old to be told. The caller holds the mutex.
func (r *receiver) expire(now time.Time) {
	for len(r.waiting) > 0 && now.Sub(r.waiting[0].since) > maxAge {
		r.lose(1)
	}
}

// succeeded counts a message. The caller holds the mutex.
func (r *receiver) succeeded(m notice.Message) {
	if r.failures > 0 {
		r.log.Info("receiver takes messages again", "receiver", r.name)
	}
	r.taken = nil
	r.lost -= m.Lost
	r.failures, r.delay, r.retry = 0, 0, time.Time{}
	r.count.Sent++
	r.count.Error, r.count.Since = "", time.Time{}
}

// failed puts the events back, or gives them up after the last attempt that they
// have. Only the first failure in a row is logged. The caller holds the mutex.
func (r *receiver) failed(s settings, err error) {
	now := time.Now()
	if r.failures == 0 {
		r.log.Error("message not taken, it will be tried again", "receiver", r.name, "err", err)
		r.count.Since = now
	}
	r.failures++
	r.count.Failed++
	r.count.Error = errorText(err)
	r.delay = min(max(2*r.delay, firstDelay), maxDelay)
	r.retry = now.Add(r.delay)
	taken := len(r.taken)
	r.waiting, r.taken = append(r.taken, r.waiting...), nil
	if s.attempts > 0 && r.failures >= s.attempts {
		r.log.Error("message given up", "receiver", r.name, "attempts", r.failures, "err", err)
		r.lose(taken)
		r.failures, r.delay, r.retry = 0, 0, time.Time{}
	}
	if over := len(r.waiting) - maxWaiting; over > 0 {
		r.lose(over)
	}
}
