package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/reconcile"
)

// told is how many operations or errors of a round one event spells out.
const told = 10

// tellRound tells of what a round found or could not do: every drift that it
// repaired in one event, and when the kernel begins or ceases to be as
// configured.
func (d *Director) tellRound(round reconcile.Round) {
	if drift := repaired(round); len(drift) > 0 {
		d.tell(notice.Event{Kind: notice.Drift, Time: round.Start, Cause: list(drift)})
	}
	if round.OK() {
		d.notifier.Tell(notice.Event{Kind: notice.KernelOK}) // whoever was told of an error before this director began
	}
	switch {
	case round.OK() && d.inError:
		d.note(notice.Event{Kind: notice.KernelOK})
	case !round.OK() && !d.inError:
		d.tell(notice.Event{Kind: notice.KernelError, Cause: list(problems(&round))})
	}
	d.inError = !round.OK()
}

func repaired(round reconcile.Round) []string {
	var ops []string
	for _, r := range round.Results {
		if r.Drift && r.Err == nil {
			ops = append(ops, r.Op.String())
		}
	}
	return ops
}

// list writes some texts as one, and how many there are.
func list(texts []string) string {
	if len(texts) == 1 {
		return texts[0]
	}
	rest := ""
	if n := len(texts) - told; n > 0 {
		rest = fmt.Sprintf("; and %d more", n)
	}
	return fmt.Sprintf("%d: %s%s", len(texts), strings.Join(texts[:min(len(texts), told)], "; "), rest)
}

// tellReload tells whether a configuration was refused, or is taken after one
// was.
func (d *Director) tellReload(err error) {
	if err != nil {
		d.tell(notice.Event{Kind: notice.ReloadRefused, Cause: err.Error()})
		return
	}
	d.notifier.Tell(notice.Event{Kind: notice.ReloadTaken})
}

// updateNotifier gives the notifier a new configuration.
func (d *Director) updateNotifier(c *config.Config) {
	d.notifier.Update(c.Director.Name, c.Notify)
	d.notifier.Forget(func(e notice.Event) bool {
		return !has(c, e.Virtual, e.Real) || !hasInstance(c, e.Instance) || !hasPeer(c, e)
	})
}

// has tells whether a configuration has the service and the server, "" being no
// one in particular.
func has(c *config.Config, virtual, real string) bool {
	if virtual == "" {
		return true
	}
	i := slices.IndexFunc(c.Virtual, func(v config.Virtual) bool { return v.Name == virtual })
	return i >= 0 && (real == "" || slices.ContainsFunc(c.Virtual[i].Real, func(r config.Real) bool { return r.Name == real }))
}

// hasInstance tells whether a configuration has the VRRP instance, "" being no one
// in particular.
func hasInstance(c *config.Config, name string) bool {
	return name == "" || slices.ContainsFunc(c.VRRP, func(v config.VRRP) bool { return v.Name == name })
}

// hasPeer tells whether a configuration has the director that an event is about, if
// it is about one.
func hasPeer(c *config.Config, e notice.Event) bool {
	if e.Kind != notice.SyncBehind {
		return true
	}
	return c.Sync.Asks() && slices.ContainsFunc(c.Sync.Peers, func(a netip.Addr) bool { return a.String() == e.Address })
}

// TestNotify sends a test message to the receiver with a name, or to all if it
// is "", as the configuration in force has them.
func (d *Director) TestNotify(ctx context.Context, name string) ([]notify.Outcome, error) {
	c := d.current()
	return notify.TestReceivers(ctx, c.Director.Name, name, c.Notify)
}

// TestNotify sends a test message by the configuration at path, without a
// director.
func TestNotify(ctx context.Context, path, name string) ([]notify.Outcome, error) {
	c, err := load(ctx, path)
	if err != nil {
		return nil, err
	}
	return notify.TestReceivers(ctx, c.Director.Name, name, c.Notify)
}
