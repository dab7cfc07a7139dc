// Package notify tells people what happens: by mail, webhook or program. Events
// come in through Tell, which never waits. Each receiver has a queue and a
// goroutine of its own, is tried again when it fails, and delays nobody else.
package notify

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// Notifier gives events to receivers.
type Notifier struct {
	log   *slog.Logger
	split func([]config.Receiver) []settings

	mu        sync.Mutex
	director  string
	problems  problems
	receivers []*receiver // in the order of the configuration
	running   context.Context
	tasks     sync.WaitGroup
}

// New makes a notifier. Until Run is called, events wait.
func New(director string, list []config.Receiver, log *slog.Logger) *Notifier {
	n := &Notifier{log: log, split: split, problems: problems{}}
	n.Update(director, list)
	return n
}

// Tell takes an event. It never waits for a receiver: one whose queue is full
// loses its oldest event and is told later how many there were.
func (n *Notifier) Tell(e notice.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Director = n.director
	if !n.problems.news(&e) {
		return
	}
	for _, r := range n.receivers {
		r.offer(e)
	}
}

// Update makes these the receivers. One that was there keeps what is waiting for
// it, whatever changed; one that is gone gets what is waiting and then ends.
func (n *Notifier) Update(director string, list []config.Receiver) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.director = director
	before := n.receivers
	n.receivers = nil
	for _, s := range n.split(list) {
		i := slices.IndexFunc(before, func(r *receiver) bool { return r.name == s.name })
		if i >= 0 {
			before[i].configure(s, director)
			n.receivers = append(n.receivers, before[i])
			before = slices.Delete(slices.Clone(before), i, i+1)
			continue
		}
		r := newReceiver(s, director, n.problems, n.log)
		n.receivers = append(n.receivers, r)
		n.start(r)
	}
	for _, r := range before {
		r.end()
	}
}

// Forget drops problems that nobody will tell the end of, because what had them
// is not there any more.
func (n *Notifier) Forget(gone func(notice.Event) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.problems, func(_ notice.Subject, e notice.Event) bool { return gone(e) })
	for _, r := range n.receivers {
		r.forget(gone)
	}
}

// start runs a receiver, if Run runs. The caller holds the mutex.
func (n *Notifier) start(r *receiver) {
	if n.running == nil {
		return
	}
	ctx, cancel := context.WithCancel(n.running)
	r.end = cancel
	n.tasks.Go(func() {
		defer cancel()
		r.run(ctx)
	})
}

// Run serves the receivers until the context ends, and then for as long as it
// takes to tell each once what is waiting, at most the time of lastWords. It runs
// once.
func (n *Notifier) Run(ctx context.Context) {
	n.mu.Lock()
	n.running = ctx
	for _, r := range n.receivers {
		n.start(r)
	}
	n.mu.Unlock()

	<-ctx.Done()

	n.mu.Lock()
	n.running = nil
	n.mu.Unlock()
	n.tasks.Wait()
}

// Status is how a receiver does.
type Status struct {
	Name    string    `json:"name"` // with the recipient, where there are several
	Sent    int       `json:"sent"` // messages
	Failed  int       `json:"failed"`
	Lost    int       `json:"lost"`    // events that it will never get
	Waiting int       `json:"waiting"` // events
	Error   string    `json:"error"`   // of the last attempt, "" after a success
	Since   time.Time `json:"since"`   // of the first of the attempts that failed in a row; zero after a success
}

// Status gives how the receivers do, in the order of the configuration.
func (n *Notifier) Status() []Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := make([]Status, 0, len(n.receivers))
	for _, r := range n.receivers {
		list = append(list, r.status())
	}
	return list
}
