// Package changelog remembers the latest changes of a director's state with their
// causes. Adding one waits for nobody; a file keeps them over a restart.
package changelog

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Length is how many changes are remembered.
const Length = 1000

// Kind is what has changed.
type Kind string

// The kinds of changes.
const (
	Server        Kind = "server"        // the health of a real server
	Service       Kind = "service"       // whether a virtual service has enough real servers
	Override      Kind = "override"      // what an operator wants
	Role          Kind = "role"          // of this director in a VRRP instance, or of another one beside it
	Kernel        Kind = "kernel"        // what could not be done there, and that it can again
	Drift         Kind = "drift"         // what somebody else did to the kernel, and lvsd put right
	Configuration Kind = "configuration" // taken or refused
	Director      Kind = "director"      // started or stopped
)

// Change is one change of state.
type Change struct {
	Number  uint64    `json:"number"` // one more than that of the change before, also over a restart
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Subject string    `json:"subject"` // "web/web1", "web", "vrrp front"; "" for the director itself
	Text    string    `json:"text"`    // what is now: "real server web/web1 (10.0.0.1:80) is down"
	Cause   string    `json:"cause"`   // why, or ""
	Trouble bool      `json:"trouble"` // somebody may have to do something
}

// Log is the latest changes. It may be used by several goroutines.
type Log struct {
	path string
	wake chan struct{} // capacity 1: there is something to write

	mu      sync.Mutex
	changes []Change      // the oldest first
	last    uint64        // number
	changed chan struct{} // closed at the next change

	written uint64 // number of the last change in the file; Run's own
	lines   int    // in the file; Run's own
}

// Add remembers a change; its number, and its time if it has none, are given here.
func (l *Log) Add(c Change) {
	if c.Time.IsZero() {
		c.Time = time.Now()
	}
	c.Time = c.Time.Round(0)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	c.Number = l.last
	l.changes = append(l.changes, c)
	if extra := len(l.changes) - Length; extra > 0 {
		l.changes = slices.Delete(l.changes, 0, extra)
	}
	close(l.changed)
	l.changed = make(chan struct{})
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// After gives the changes after a number, the oldest first; after 0, all that are
// remembered. A number that is still to come is one of another log: all are given.
func (l *Log) After(number uint64) []Change {
	list, _ := l.after(number)
	return list
}

func (l *Log) after(number uint64) ([]Change, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number > l.last {
		number = 0
	}
	i, _ := slices.BinarySearchFunc(l.changes, number+1, func(c Change, n uint64) int { return int(int64(c.Number - n)) })
	return slices.Clone(l.changes[i:]), l.changed
}

// Wait is After, but waits until there is one; it gives none when the context ends.
func (l *Log) Wait(ctx context.Context, number uint64) []Change {
	for {
		list, changed := l.after(number)
		if len(list) > 0 {
			return list
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
