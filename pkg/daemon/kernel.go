package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/kmod"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/sysctl"
)

// resolver finds the addresses of host names in a configuration.
var resolver = net.DefaultResolver

// tables are the part of the kernel that a status shows.
type tables struct {
	services *ipvs.Table
	devices  *netdev.Devices
}

// openTables opens the tables, or says in one line why that cannot be.
func openTables(ctx context.Context) (*tables, error) {
	if err := privileged(); err != nil {
		return nil, err
	}
	// Without modprobe the kernel may still load the module when it is asked for
	// IPVS; if not, this says why.
	cause := kmod.Load(ctx, "ip_vs")
	services, err := ipvs.Open()
	if errors.Is(err, ipvs.ErrNoIPVS) && cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if err != nil {
		return nil, err
	}
	devices, err := netdev.Open()
	if err != nil {
		services.Close()
		return nil, err
	}
	return &tables{services: services, devices: devices}, nil
}

func (t *tables) view() view { return view{services: t.services, devices: t.devices} }

func (t *tables) close() {
	t.services.Close()
	t.devices.Close()
}

// kernel is every open edge.
type kernel struct {
	*tables
	sysctls *sysctl.FS
	rules   *rules
	guard   *guardEdge
}

// open opens the kernel, or says in one line why that cannot be.
func open(ctx context.Context, c *config.Config) (*kernel, error) {
	t, err := openTables(ctx)
	if err != nil {
		return nil, err
	}
	sysctls, err := sysctl.Open()
	if err != nil {
		t.close()
		return nil, err
	}
	return &kernel{tables: t, sysctls: sysctls, rules: newRules(), guard: newGuardEdge(c.Director.StateDir)}, nil
}

// privileged tells whether the kernel would let this process administer the
// network (capabilities(7)).
func privileged() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read this process's capabilities: %w", err)
	}
	if data[0].Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return fmt.Errorf("user %d may not administer the network: run it as root or with CAP_NET_ADMIN", os.Geteuid())
	}
	return nil
}

// edges are what the reconciler writes to.
func (k *kernel) edges() reconcile.Kernel {
	return reconcile.Kernel{
		Table:    k.services,
		Devices:  k.devices,
		Firewall: k.rules,
		Detours:  &detours{Devices: k.devices},
		Sysctls:  k.sysctls,
		Modules:  modules{},
		Guard:    k.guard,
	}
}

func (k *kernel) close() {
	k.tables.close()
	k.sysctls.Close()
	k.guard.close()
}

// modules are the kernel's modules by package kmod.
type modules struct{}

func (modules) Has(name string) (bool, error)               { return kmod.Has(name) }
func (modules) Load(ctx context.Context, name string) error { return kmod.Load(ctx, name) }

func openLedger(c *config.Config) (*reconcile.Ledger, error) {
	return reconcile.OpenLedger(filepath.Join(c.Director.StateDir, "owned.json"))
}
