package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// Reload reads the configuration again. A bad one changes nothing, and says why
// here, in the log and in the status.
func (d *Director) Reload(ctx context.Context) (control.Reloaded, error) {
	tellSystemdReloading()
	defer tellSystemd("READY=1")
	c, first, err := d.swap(ctx)
	if err != nil {
		d.log().Error("reload refused, the old configuration stays in force", "err", err)
		return control.Reloaded{}, control.Refused{Err: err}
	}
	d.warn(c)
	var round reconcile.Round
	select {
	case round = <-first:
	case <-ctx.Done():
		return control.Reloaded{}, fmt.Errorf("wait for the kernel to follow the new configuration: %w", ctx.Err())
	}
	reloaded := control.Reloaded{
		Director:   c.Director.Name,
		Operations: len(round.Results) - round.Failed(),
		Errors:     append(problems(&round), lines(d.guarding.lists.Err())...),
	}
	d.noteReload(reloaded.Operations, reloaded.Errors)
	d.log().Info("reloaded", "operations", reloaded.Operations, "errors", len(reloaded.Errors))
	return reloaded, nil
}

// swap puts a new configuration in the place of the old one, whole or not at
// all, and gives it with the first round that will lead to it.
func (d *Director) swap(ctx context.Context) (*config.Config, <-chan reconcile.Round, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	c, err := load(ctx, d.options.Config)
	if err == nil {
		err = unchangeable(d.current(), c)
	}
	var a aim
	if err == nil {
		a, err = newAim(c, d.view.source)
	}
	d.metrics.Reload(err == nil)
	d.tellReload(err)
	if err != nil {
		d.refuse(err)
		return nil, nil, err
	}
	d.mu.Lock()
	d.force = force{aim: a, loaded: time.Now()}
	d.mu.Unlock()
	d.watchdog.expect(c.Director.Resync)
	d.updateNotifier(c)
	d.judge.checker.Update(a.checks.Wanted)
	d.roles.set(c.VRRP)
	d.guarding.follow(c)
	d.lists.follow(listFiles(c))
	d.sharing.follow()
	d.web.Set(c.HTTP)
	return c, d.reconciler.Aim(a.goal(d.judge)), nil
}

func (d *Director) refuse(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.force.refused = err.Error()
}

// unchangeable refuses what a running director cannot follow: its lock and its
// memory are in these directories.
func unchangeable(old, new *config.Config) error {
	if old.Director.StateDir != new.Director.StateDir {
		return fmt.Errorf("director.state_dir changed from %s to %s: that needs a restart",
			old.Director.StateDir, new.Director.StateDir)
	}
	if old.Director.DataDir != new.Director.DataDir {
		return fmt.Errorf("director.data_dir changed from %s to %s: that needs a restart, and its files moved there",
			old.Director.DataDir, new.Director.DataDir)
	}
	if old.Director.Group != new.Director.Group {
		return fmt.Errorf("director.group changed from %q to %q: that needs a restart", old.Director.Group, new.Director.Group)
	}
	return nil
}

// warn logs what will not work on this host.
func (d *Director) warn(c *config.Config) {
	if err := notify.Check(c.Notify); err != nil {
		d.log().Warn("some receivers will not be reached", "why", err)
	}
	addresses, err := d.view.devices.Addresses()
	if err != nil {
		d.log().Error("addresses not read", "err", err)
		return
	}
	for _, w := range status.Warnings(c, addresses) {
		d.log().Warn("will not work on this host", "why", w)
	}
}

// current is the configuration in force.
func (d *Director) current() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.force.config
}

func (d *Director) reloadOnHangup(ctx context.Context, hangups <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			d.reload(ctx)
		}
	}
}

// reload is for the callers that have nobody to give the error to: Reload has
// logged it.
func (d *Director) reload(ctx context.Context) {
	_, _ = d.Reload(ctx)
}

// reloadOnChange reads the configuration when one of its files has changed, if
// it asks for that.
func (d *Director) reloadOnChange(ctx context.Context, w *watch) error {
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	<-quiet.C
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-w.events():
			if w.changed(event.Name) {
				quiet.Reset(settleTime)
			}
		case err := <-w.errors():
			// An overflow may have swallowed a change.
			d.log().Warn("configuration watch lost events", "err", err)
			quiet.Reset(settleTime)
		case <-quiet.C:
			w.follow()
			if d.current().Director.Watch {
				d.reload(ctx)
			}
		}
	}
}
