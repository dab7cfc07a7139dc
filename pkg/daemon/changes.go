package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/changelog"
	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// kinds of the log by those of what people are told.
var kinds = map[notice.Kind]changelog.Kind{
	notice.ServerDown:     changelog.Server,
	notice.ServerUp:       changelog.Server,
	notice.ServerFlapping: changelog.Server,
	notice.ServiceDown:    changelog.Service,
	notice.ServiceUp:      changelog.Service,
	notice.RoleChanged:    changelog.Role,
	notice.SplitBrain:     changelog.Role,
	notice.SplitBrainOver: changelog.Role,
	notice.ReloadRefused:  changelog.Configuration,
	notice.KernelError:    changelog.Kernel,
	notice.KernelOK:       changelog.Kernel,
	notice.Drift:          changelog.Drift,
}

// tell tells people and the log.
func (d *Director) tell(e notice.Event) {
	d.notifier.Tell(e)
	d.note(e)
}

// hear does so with news of the checks.
func (d *Director) hear(n news) {
	if n.told {
		d.notifier.Tell(n.Event)
	}
	if n.logged {
		d.note(n.Event)
	}
}

// note puts an event into the log.
func (d *Director) note(e notice.Event) {
	subject := ""
	switch {
	case e.Real != "":
		subject = e.Virtual + "/" + e.Real
	case e.Virtual != "":
		subject = e.Virtual
	case e.Instance != "":
		subject = "vrrp " + e.Instance
	}
	d.changes.Add(changelog.Change{
		Time: e.Time, Kind: kinds[e.Kind], Subject: subject, Text: e.Headline(), Cause: e.Cause,
		Trouble: e.Kind.Begins() || e.Kind == notice.Drift,
	})
}

// noteRole puts every change of an instance's state into the log, also those of which
// nobody is told.
func (d *Director) noteRole(e vrrp.Event) {
	c := changelog.Change{Time: e.Time, Kind: changelog.Role, Subject: "vrrp " + e.Instance, Cause: e.Why}
	switch e.Kind {
	case vrrp.Changed:
		c.Text = fmt.Sprintf("vrrp %s is now %s (was %s)", e.Instance, e.State, e.Old)
		c.Trouble = e.State == vrrp.Fault
	default:
		c.Text = fmt.Sprintf("vrrp %s: %s", e.Instance, e.Kind)
		c.Trouble = e.Kind != vrrp.Healed
	}
	d.changes.Add(c)
}

// noteOverride puts an operator's word into the log; what is done is a verb, as in
// "drained".
func (d *Director) noteOverride(o override.Override, done, by string) {
	text := fmt.Sprintf("%s is %s", o.Target, done)
	if by != "" {
		text += " by " + by
	}
	d.changes.Add(changelog.Change{Kind: changelog.Override, Subject: o.Target.String(), Text: text, Cause: o.Reason})
}

func (d *Director) noteSelf(text string) {
	d.changes.Add(changelog.Change{Kind: changelog.Director, Text: fmt.Sprintf("director %s %s", d.current().Director.Name, text)})
}

// noteReload puts a configuration that was taken into the log.
func (d *Director) noteReload(operations int, problems []string) {
	d.changes.Add(changelog.Change{
		Kind: changelog.Configuration, Text: fmt.Sprintf("the configuration was read again: %d operations done in the kernel", operations),
		Cause: strings.Join(problems, "; "), Trouble: len(problems) > 0,
	})
}

// maxWait bounds how long a question for changes may wait.
const maxWait = time.Minute

// Changes gives the changes after a number. Where there is none yet it waits for one,
// at most the time given.
func (d *Director) Changes(ctx context.Context, after uint64, wait time.Duration) ([]changelog.Change, error) {
	if wait <= 0 {
		return d.changes.After(after), nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(wait, maxWait))
	defer cancel()
	return d.changes.Wait(ctx, after), nil
}
