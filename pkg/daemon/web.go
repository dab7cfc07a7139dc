package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/notify/notice"
	page "github.com/lvsd/lvsd/pkg/web"
)

// recentChanges is how many changes the status page shows.
const recentChanges = 50

// recent keeps what people were told last.
type recent struct {
	mu   sync.Mutex
	list []page.Change // the oldest first
}

func (r *recent) add(e notice.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, page.Change{Time: e.Time, Text: e.Text(), Grave: e.Kind.Begins()})
	if extra := len(r.list) - recentChanges; extra > 0 {
		r.list = slices.Delete(r.list, 0, extra)
	}
}

// Recent gives the latest changes, the newest first.
func (d *Director) Recent() []page.Change {
	d.recent.mu.Lock()
	defer d.recent.mu.Unlock()
	list := slices.Clone(d.recent.list)
	slices.Reverse(list)
	return list
}

// tell tells people of an event, if it is news, and keeps it for the page.
func (d *Director) tell(e notice.Event) {
	if d.notifier.Tell(e) {
		d.recent.add(e)
	}
}

// overdue is after how many times of resync a round is missed.
const overdue = 3

// Alive is an error if no round has ended for a long time.
func (d *Director) Alive() error {
	last, resync := d.reconciler.Last(), d.current().Director.Resync
	seen := d.started
	if last != nil {
		seen = last.Start.Add(last.Took)
	}
	if limit := max(overdue*resync, time.Minute); time.Since(seen) > limit {
		return fmt.Errorf("the kernel was not compared with the configuration for %s", time.Since(seen).Round(time.Second))
	}
	return nil
}

// Ready is an error if the kernel is not as configured.
func (d *Director) Ready() error {
	last := d.reconciler.Last()
	switch {
	case last == nil:
		return errors.New("the kernel was not compared with the configuration yet")
	case !last.OK():
		return errors.New("the kernel is not as configured:\n" + strings.Join(problems(last), "\n"))
	}
	return nil
}
