// Package daemon puts the director together: it opens the kernel, runs the
// tasks, and carries configuration from the file to the reconciler. It is the
// only package that imports the world.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lvsd/lvsd/pkg/changelog"
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/metrics"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/override/store"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/vrrp"
	page "github.com/lvsd/lvsd/pkg/web"
)

// Options are what the command line says.
type Options struct {
	Config  string // the configuration's path
	Socket  string // the control socket's path; "" is lvsd.sock in the state directory
	Version string
	Log     *slog.Logger
}

// Socket is where the director with the configuration at path listens. It does
// not ask for a valid configuration: the running one may be older than the file.
func Socket(path string) string { return socketIn(config.StateDir(path)) }

func socketIn(stateDir string) string { return filepath.Join(stateDir, "lvsd.sock") }

// Director is a running daemon.
type Director struct {
	options    Options
	view       view
	reconciler *reconcile.Reconciler
	judge      *judge
	guarding   *guarding
	lists      *listWatch
	roles      *roles
	sharing    *sharing
	notifier   *notify.Notifier
	overrides  *store.Store
	lookout    *lookout
	drains     *drains
	changes    *changelog.Log
	watchdog   watchdog
	metrics    *metrics.Metrics
	web        *page.Server
	upgrades   <-chan os.Signal
	upgrading  atomic.Bool // another program takes over when this one has ended
	inError    bool        // after the last round; the rounds' own
	started    time.Time

	reloading sync.Mutex // held during a reload, which may wait for the name service
	mu        sync.Mutex // guards force; held for moments only
	force     force
}

// force is the configuration in force and how it came to be that.
type force struct {
	aim
	loaded  time.Time
	refused string // why the last reload was, or ""
}

// Run is the director from start to stop: until the context ends or SIGTERM or
// SIGINT arrives. Stopping leaves forwarding in place unless the configuration
// says otherwise. SIGUSR2 puts the program that is on disk in its place.
func Run(ctx context.Context, o Options) (err error) {
	var d *Director
	defer func() {
		if err == nil && d.upgrading.Load() {
			err = d.become()
		}
	}()
	// From its first moment on, SIGHUP asks for a reload and SIGUSR2 for an upgrade:
	// they must not end a director that is still looking up names.
	hangups, upgrades := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	signal.Notify(upgrades, syscall.SIGUSR2)
	defer signal.Stop(upgrades)
	if o.Config, err = filepath.Abs(o.Config); err != nil {
		return fmt.Errorf("find the configuration: %w", err)
	}
	files := newWatch(o.Config, o.Log)
	defer files.close()
	cfg, err := load(ctx, o.Config)
	if err != nil {
		return err
	}
	k, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer k.close()
	// The status is read through sockets of its own: a round that hangs holds
	// those of the reconciler.
	reader, err := openTables(ctx)
	if err != nil {
		return err
	}
	defer reader.close()
	lock, err := acquire(cfg.Director.StateDir)
	if err != nil {
		return err
	}
	defer lock.release()
	ledger, err := openLedger(cfg)
	if err != nil {
		return err
	}
	a, err := newAim(cfg, reader.view().source)
	if err != nil {
		return err
	}
	data, err := acquireData(cfg.Director.DataDir)
	if errors.Is(err, errRunning) {
		return err
	}
	if err != nil {
		o.Log.Warn("data directory cannot be used: servers cannot be drained, and changes are forgotten at a restart", "err", err)
	}
	defer data.release()
	words, err := openOverrides(cfg)
	if err != nil {
		return err
	}
	g, err := newGuarding(cfg, k.guard, o.Log)
	if err != nil {
		return err
	}
	j := newJudge(o.Log, words, g)
	d = newDirector(o, a, reader.view(), j, reconcile.New(k.edges(), ledger, o.Log, a.goal(j)))
	d.upgrades = upgrades
	if o.Socket == "" {
		o.Socket = socketIn(cfg.Director.StateDir)
	}
	server, err := control.Listen(o.Socket, control.Access{Group: cfg.Director.Group, GID: cfg.Director.GID}, d, o.Log)
	if err != nil {
		return err
	}
	return d.run(ctx, server, hangups, files)
}

func newDirector(o Options, a aim, v view, j *judge, r *reconcile.Reconciler) *Director {
	now := time.Now()
	j.checker.Update(a.checks.Wanted)
	roles := newRoles(o.Log, v.devices, a.config.VRRP)
	roles.resumed = resumed()
	_, roles.drained = j.overrides.Set().Get(override.Self)
	j.roles = roles.current
	d := &Director{
		options: o, view: v, judge: j, guarding: j.guarding, lists: newListWatch(o.Log), reconciler: r, roles: roles, started: now, force: force{aim: a, loaded: now},
		notifier: notify.New(a.config.Director.Name, a.config.Notify, o.Log), overrides: j.overrides, watchdog: newWatchdog(),
	}
	d.lookout = newLookout(v.look)
	d.drains = newDrains(d, v)
	var err error
	if d.changes, err = changelog.Open(a.config.Director.DataDir); err != nil {
		o.Log.Warn("changes before this start are forgotten", "err", err)
	}
	roles.quorum, roles.tell, roles.note = d.quorum, d.notifier.Tell, d.noteRole
	d.sharing = newSharing(o.Log, v, d.current, roles.current)
	d.sharing.tell = d.notifier.Tell
	r.OnRound(func(round reconcile.Round) {
		d.roundDone(round)
		d.sharing.after(round)
		d.watchdog.feed()
	})
	j.hear = d.hear
	d.metrics = metrics.New(o.Version, d.sample)
	d.web = page.New(d, d.metrics.Handler(), o.Log)
	d.web.Set(a.config.HTTP)
	j.checker.OnProbe(d.metrics.Probe)
	d.sharing.counts = d.metrics.Pushed
	d.lists.follow(listFiles(a.config))
	return d
}

// load reads a configuration. Reading a large one takes ten times the memory
// that it keeps; the rest goes back to the system at once.
func load(ctx context.Context, path string) (*config.Config, error) {
	defer debug.FreeOSMemory()
	return config.Load(ctx, path, resolver)
}

// run runs the tasks until one fails or the director is told to stop. The tasks
// outlast the signal until others serve what this director did.
func (d *Director) run(ctx context.Context, server *control.Server, hangups <-chan os.Signal, files *watch) error {
	signals, release := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer release()
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	c := d.current()
	d.log().Info("director starts", "name", c.Director.Name, "pid", os.Getpid(),
		"version", d.options.Version, "files", c.Files)
	d.warn(c)
	bell, err := vrrp.NewBell()
	if err != nil {
		return err
	}
	defer bell.Close()
	d.roles.changed = bell
	d.noteSelf("starts")
	// Events of the very end are told too: the notifier stops after all others.
	quiet := d.startNotifier(live)
	defer quiet()
	defer d.noteSelf("stops")
	tasks, ctx := errgroup.WithContext(live)
	tasks.Go(func() error {
		d.reconciler.Run(ctx, func() {
			if d.current().Sync.Asks() && !d.roles.resumed.happened() {
				tasks.Go(func() error { return d.elect(ctx) })
			} else {
				d.roles.start()
			}
			tellSystemd("READY=1")
			d.watchdog.expect(d.current().Director.Resync)
		})
		return nil
	})
	tasks.Go(func() error { return d.judge.run(ctx, d.reconciler.Kick, d.roundTime) })
	tasks.Go(func() error { return d.lookout.run(ctx) })
	tasks.Go(func() error { return d.drains.run(ctx) })
	tasks.Go(func() error { return server.Run(ctx) })
	tasks.Go(func() error { return d.web.Run(ctx) })
	tasks.Go(func() error { return netdev.Watch(ctx, d.addressesChanged) })
	tasks.Go(func() error { return d.roles.follow(ctx, d.reconciler.Readdress) })
	tasks.Go(func() error { return d.guarding.run(ctx, d.reconciler.Kick) })
	tasks.Go(func() error { return d.lists.run(ctx, d.listsChanged) })
	tasks.Go(func() error { return d.sharing.run(ctx) })
	tasks.Go(func() error { return d.reloadOnHangup(ctx, hangups) })
	tasks.Go(func() error { return d.reloadOnChange(ctx, files) })
	upgrade := make(chan struct{})
	tasks.Go(func() error { return d.awaitUpgrade(ctx, func() { close(upgrade) }) })
	select {
	case <-signals.Done():
	case <-ctx.Done():
	case <-upgrade:
		d.log().Info("director makes way for the program on disk")
		d.upgrading.Store(true)
		end()
		return tasks.Wait()
	}
	release() // whoever signals again does not want to wait for the rest
	tellSystemd("STOPPING=1")
	d.sharing.handOver(context.WithoutCancel(ctx))
	d.roles.stop()
	d.reconciler.Readdress(context.WithoutCancel(ctx))
	end()
	return errors.Join(tasks.Wait(), d.stop())
}

// startNotifier runs the notifier and the log of changes and gives the function that stops it.
func (d *Director) startNotifier(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		var both sync.WaitGroup
		both.Go(func() { d.notifier.Run(ctx) })
		both.Go(func() { _ = d.changes.Run(ctx, func(err error) { d.log().Warn("changes not kept", "err", err) }) })
		both.Wait()
	}()
	return func() {
		cancel()
		<-done
	}
}

// stop leaves the kernel as it is, so that the packets go on, or takes away
// what is lvsd's where the configuration asks for it.
func (d *Director) stop() error {
	if d.current().Director.OnStop != config.FlushOnStop {
		d.log().Info("director stops, forwarding stays in place")
		return d.unguard()
	}
	d.log().Info("director stops and removes what is its own")
	d.reconciler.Aim(reconcile.Goal{
		Desire: func(lvs.State) lvs.State { return desired.Build(&config.Config{}, desired.Input{}) },
	})
	// The context that stopped the director has ended; this one bounds its last act.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if round := d.reconciler.Round(ctx); !round.OK() {
		return fmt.Errorf("remove what is lvsd's: %d operations not done", round.Failed()+len(round.Deferred))
	}
	return nil
}

// roundTime is how long the last round took.
func (d *Director) roundTime() time.Duration {
	if last := d.reconciler.Last(); last != nil {
		return last.Took
	}
	return 0
}

func (d *Director) log() *slog.Logger { return d.options.Log }
