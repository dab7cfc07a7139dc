package vrrp

import (
	"sync/atomic"
	"time"
)

// Bell wakes one goroutine that has hastened. Go's own ways to wake a goroutine
// need a second thread, which is not urgent and has to wait on a busy machine.
type Bell struct {
	poller *poller
	rung   atomic.Bool
}

// NewBell gives a bell that has not rung.
func NewBell() (*Bell, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &Bell{poller: p}, nil
}

// Ring wakes whoever waits, or the next one who does. It never blocks.
func (b *Bell) Ring() {
	b.rung.Store(true)
	b.poller.wake()
}

// Wait returns after a Ring that no Wait has returned for. What else wakes the
// thread, such as a signal, does not end it.
func (b *Bell) Wait() {
	for !b.rung.Swap(false) {
		b.poller.wait(time.Time{}, nil)
	}
}

// Close ends the bell; a Ring after it is not heard. Nobody may wait any more.
func (b *Bell) Close() { b.poller.close() }
