package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	page "github.com/lvsd/lvsd/pkg/web"
)

// recentChanges is how many changes the status page shows.
const recentChanges = 50

// Recent gives the latest changes, the newest first.
func (d *Director) Recent() []page.Change {
	all := d.changes.After(0)
	var list []page.Change
	for _, c := range slices.Backward(all[max(0, len(all)-recentChanges):]) {
		text := c.Text
		if c.Cause != "" {
			text += ": " + c.Cause
		}
		list = append(list, page.Change{Time: c.Time, Text: text, Grave: c.Trouble})
	}
	return list
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
