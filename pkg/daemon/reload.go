package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/status"
)

// settleTime is how long a watched file must be quiet before it is read: an
// editor may write it in several steps.
const settleTime = 200 * time.Millisecond

// Reload reads the configuration again. A bad one changes nothing, and says why
// here, in the log and in the status.
func (d *Director) Reload(ctx context.Context) (control.Reloaded, error) {
	notifyReloading()
	defer notify("READY=1")
	if err := d.swap(ctx); err != nil {
		d.log().Error("reload refused, the old configuration stays in force", "err", err)
		return control.Reloaded{}, err
	}
	round, err := d.reconciler.Settle(ctx)
	if err != nil {
		return control.Reloaded{}, fmt.Errorf("wait for the kernel to follow the new configuration: %w", err)
	}
	reloaded := control.Reloaded{Operations: len(round.Results) - round.Failed(), Errors: problems(&round)}
	d.log().Info("reloaded", "operations", reloaded.Operations, "errors", len(reloaded.Errors))
	return reloaded, nil
}

// swap puts a new configuration in the place of the old one, whole or not at
// all.
func (d *Director) swap(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, err := load(ctx, d.options.Config)
	if err == nil {
		err = unchangeable(d.config, c)
	}
	if err != nil {
		d.refused = err.Error()
		return err
	}
	d.config, d.loaded, d.refused = c, time.Now(), ""
	d.warn(c)
	d.roles.set(c.VRRP)
	d.reconciler.Aim(goal(c, d.roles.current))
	return nil
}

// unchangeable refuses what a running director cannot follow: its lock and its
// memory of what it owns are in the state directory.
func unchangeable(old, new *config.Config) error {
	if old.Director.StateDir != new.Director.StateDir {
		return fmt.Errorf("director.state_dir changed from %s to %s: that needs a restart",
			old.Director.StateDir, new.Director.StateDir)
	}
	return nil
}

// warn logs what will not work on this host.
func (d *Director) warn(c *config.Config) {
	addresses, err := d.kernel.devices.Addresses()
	if err != nil {
		d.log().Error("addresses not read", "err", err)
		return
	}
	for _, w := range status.Warnings(c, addresses) {
		d.log().Warn(w)
	}
}

// current is the configuration in force.
func (d *Director) current() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config
}

func (d *Director) reloadOnHangup(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			d.reload(ctx)
		}
	}
}

// reload is for the callers that have nobody to give the error to: Reload has
// logged it.
func (d *Director) reload(ctx context.Context) {
	_, _ = d.Reload(ctx)
}

// reloadOnChange follows the files of the configuration. It watches their
// folders, because editors and configuration management replace a file rather
// than write to it; and it always does, because `watch` may be switched on by a
// reload.
func (d *Director) reloadOnChange(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the configuration: %w", err)
	}
	defer watcher.Close()
	d.follow(watcher)
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	<-quiet.C
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			if d.concerns(event.Name) {
				quiet.Reset(settleTime)
			}
		case err := <-watcher.Errors:
			// An overflow may have swallowed a change.
			d.log().Warn("configuration watch lost events", "err", err)
			quiet.Reset(settleTime)
		case <-quiet.C:
			d.follow(watcher)
			if d.current().Director.Watch {
				d.reload(ctx)
			}
		}
	}
}

// follow watches the folders of the configuration's files; a folder that does
// not exist yet is found when the one above it changes.
func (d *Director) follow(watcher *fsnotify.Watcher) {
	for _, folder := range d.folders() {
		if err := watcher.Add(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			d.log().Warn("configuration not watched", "folder", folder, "err", err)
		}
	}
}

func (d *Director) folders() []string {
	folder := filepath.Dir(d.options.Config)
	return []string{folder, config.Fragments(d.options.Config)}
}

// concerns tells whether a path is one of the configuration's files, or the
// folder of its fragments.
func (d *Director) concerns(path string) bool {
	fragments := config.Fragments(d.options.Config)
	isFragment := filepath.Dir(path) == fragments && filepath.Ext(path) == ".toml"
	return isFragment || slices.Contains([]string{filepath.Clean(d.options.Config), fragments}, path)
}
