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
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/reconcile"
)

// Options are what the command line says.
type Options struct {
	Config  string // the configuration's path
	Socket  string // the control socket's path; "" is lvsd.sock in the state directory
	Version string
	Log     *slog.Logger
}

// Socket is the control socket of a director with this configuration.
func Socket(c *config.Config) string { return filepath.Join(c.Director.StateDir, "lvsd.sock") }

// Director is a running daemon.
type Director struct {
	options    Options
	kernel     *kernel
	reconciler *reconcile.Reconciler
	roles      *roles
	started    time.Time

	// mu serialises reloads. What they leave behind is read under it too.
	mu      sync.Mutex
	config  *config.Config
	loaded  time.Time
	refused string // why the last reload was, or ""
}

// Run is the director from start to stop: until the context ends or SIGTERM or
// SIGINT arrives. Stopping leaves forwarding in place unless the configuration
// says otherwise.
func Run(ctx context.Context, o Options) error {
	cfg, err := load(ctx, o.Config)
	if err != nil {
		return err
	}
	lock, err := acquire(cfg.Director.StateDir)
	if err != nil {
		return err
	}
	defer lock.release()
	k, err := open(ctx)
	if err != nil {
		return err
	}
	defer k.close()
	ledger, err := openLedger(cfg)
	if err != nil {
		return err
	}
	d := &Director{options: o, kernel: k, started: time.Now(), config: cfg, loaded: time.Now()}
	d.roles = newRoles(o.Log, k.devices, cfg.VRRP)
	d.reconciler = reconcile.New(k.edges(), ledger, o.Log, goal(cfg, d.roles.current))
	socket := o.Socket
	if socket == "" {
		socket = Socket(cfg)
	}
	server, err := control.Listen(socket, d, o.Log)
	if err != nil {
		return err
	}
	return d.run(ctx, server)
}

func load(ctx context.Context, path string) (*config.Config, error) {
	return config.Load(ctx, path, resolver)
}

// goal is what a configuration asks of the reconciler, with these roles in the
// VRRP instances.
func goal(c *config.Config, roles func() map[string]lvs.Role) reconcile.Goal {
	host := func(addresses map[lvs.AddressKey]lvs.Address) desired.Host {
		return desired.Host{Addresses: addresses, Roles: roles()}
	}
	return reconcile.Goal{
		Desire: func(addresses map[lvs.AddressKey]lvs.Address) lvs.State {
			return desired.Build(c, host(addresses))
		},
		Addresses: func(addresses map[lvs.AddressKey]lvs.Address) lvs.State {
			var s lvs.State
			s.Addresses, s.Absent = desired.Addresses(c, host(addresses))
			return s
		},
		Resync:    c.Director.Resync,
		Unmanaged: c.Director.Unmanaged == config.RemoveUnmanaged,
	}
}

// undecided are the roles where no daemon runs.
func undecided() map[string]lvs.Role { return nil }

// run runs the tasks until one fails or the director is told to stop. The tasks
// outlast the signal until others serve what this director did.
func (d *Director) run(ctx context.Context, server *control.Server) error {
	signals, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	d.log().Info("director starts", "name", d.config.Director.Name, "pid", os.Getpid(),
		"version", d.options.Version, "files", d.config.Files)
	d.warn(d.config)
	tasks, ctx := errgroup.WithContext(live)
	tasks.Go(func() error {
		d.reconciler.Run(ctx, func() {
			d.roles.start()
			notify("READY=1")
		})
		return nil
	})
	tasks.Go(func() error { return server.Run(ctx) })
	tasks.Go(func() error { return netdev.Watch(ctx, d.devicesChanged) })
	tasks.Go(func() error { return d.roles.follow(ctx, d.reconciler.Readdress) })
	tasks.Go(func() error { return d.reloadOnHangup(ctx) })
	tasks.Go(func() error { return d.reloadOnChange(ctx) })
	select {
	case <-signals.Done():
	case <-ctx.Done():
	}
	notify("STOPPING=1")
	d.roles.stop()
	d.reconciler.Readdress(context.WithoutCancel(ctx))
	end()
	return errors.Join(tasks.Wait(), d.stop())
}

// devicesChanged is told of every change of an interface or an address.
func (d *Director) devicesChanged() {
	d.reconciler.Kick()
	d.roles.recheck()
}

// stop leaves the kernel as it is, so that the packets go on, or takes away
// what is lvsd's where the configuration asks for it.
func (d *Director) stop() error {
	if d.config.Director.OnStop != config.FlushOnStop {
		d.log().Info("director stops, forwarding stays in place")
		return nil
	}
	d.log().Info("director stops and removes what is its own")
	d.reconciler.Aim(reconcile.Goal{
		Desire: func(map[lvs.AddressKey]lvs.Address) lvs.State { return desired.Build(&config.Config{}, desired.Host{}) },
	})
	// The context that stopped the director has ended; this one bounds its last act.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if round := d.reconciler.Round(ctx); !round.OK() {
		return fmt.Errorf("remove what is lvsd's: %d operations not done", round.Failed()+len(round.Deferred))
	}
	return nil
}

func (d *Director) log() *slog.Logger { return d.options.Log }
