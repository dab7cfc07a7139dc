package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/override"
)

const (
	pollPause = 500 * time.Millisecond

	// linePause is the time between two lines of progress where they do not replace
	// each other.
	linePause = 10 * time.Second
)

// wait waits for the end of a drain.
type wait struct {
	p        *paths
	wait     bool
	remove   bool
	deadline time.Duration // 0 is for ever
	line     progress
}

// check holds that the flags go together.
func (w *wait) check(cmd *cobra.Command, t override.Target) error {
	switch {
	case t == override.Self && (w.wait || w.remove || cmd.Flags().Changed("deadline")):
		return errors.New("--director returns when the VIPs are handed over: --wait, --remove and --deadline are for servers")
	case cmd.Flags().Changed("deadline") && !w.wait && !w.remove:
		return errors.New("--deadline has nothing to do without --wait or --remove")
	case w.deadline < 0:
		return fmt.Errorf("--deadline %s is in the past", w.deadline)
	}
	return nil
}

// run shows progress until the drain is over. A director that does not answer may be
// on its way up again.
func (w *wait) run(ctx context.Context, o override.Override, started time.Time) error {
	w.line = newProgress(w.p.env)
	defer w.line.end()
	for {
		now, err := w.p.director().Drain(ctx, o.Target)
		passed := time.Since(started).Round(time.Second)
		if over, err := w.over(o, now, err, passed); over || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollPause):
		}
	}
}

// over tells whether there is nothing left to wait for.
func (w *wait) over(o override.Override, now control.Drain, err error, passed time.Duration) (bool, error) {
	late := w.deadline > 0 && passed >= w.deadline
	left := fmt.Sprintf("%s left", count(int(now.Active+now.Inactive), "connection"))
	switch {
	case away(err) && !late:
		w.line.show(fmt.Sprintf("%s: no director is running, waiting for it", o.Target))
		return false, nil
	case err != nil:
		return false, err
	case !now.Override.Since.Equal(o.Since):
		return false, fmt.Errorf("wait for %s: somebody has given another order meanwhile", o.Target)
	case w.remove && !now.Override.Removed.IsZero():
		return true, w.removed(now, passed)
	case !w.remove && now.Empty:
		return true, w.say(fmt.Sprintf("%s: empty after %s", o.Target, passed))
	case late && !w.remove:
		return true, errors.Join(w.say(fmt.Sprintf("%s: %s at the deadline of %s", o.Target, left, w.deadline)), exit(exitDeadline))
	}
	if now.Read.IsZero() {
		left = "looking"
	}
	if now.Error != "" {
		left = now.Error
	}
	text := fmt.Sprintf("%s: %s after %s", o.Target, left, passed)
	if w.deadline > 0 {
		text += fmt.Sprintf(", deadline %s", w.deadline)
	}
	w.line.show(text)
	return false, nil
}

// away tells whether a director that is being restarted may answer the next time.
func away(err error) bool {
	return errors.Is(err, control.ErrNotRunning) || errors.Is(err, control.ErrEnded)
}

// removed says that the servers are gone, and whether connections went with them.
func (w *wait) removed(now control.Drain, passed time.Duration) error {
	o := now.Override
	if o.Deadline.IsZero() || o.Removed.Before(o.Deadline) {
		return w.say(fmt.Sprintf("%s: removed after %s", o.Target, passed))
	}
	return errors.Join(w.say(fmt.Sprintf("%s: removed at the deadline of %s", o.Target, w.deadline)), exit(exitDeadline))
}

func (w *wait) say(text string) error {
	w.line.end()
	_, err := fmt.Fprintln(w.p.env.Out, text)
	return err
}
