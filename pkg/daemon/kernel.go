package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"
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

// kernel is every open edge.
type kernel struct {
	table   *ipvs.Table
	devices *netdev.Devices
	sysctls *sysctl.FS
	rules   *rules
}

// open opens the kernel, or says in one line why that cannot be.
func open(ctx context.Context) (*kernel, error) {
	if err := privileged(); err != nil {
		return nil, err
	}
	if ok, err := kmod.Has("ip_vs"); err == nil && !ok {
		// Without modprobe the kernel may still load the module when it is asked for
		// IPVS; if not, that says so.
		_ = kmod.Load(ctx, "ip_vs")
	}
	table, err := ipvs.Open()
	if err != nil {
		return nil, err
	}
	k := &kernel{table: table, rules: newRules()}
	if k.devices, err = netdev.Open(); err == nil {
		k.sysctls, err = sysctl.Open()
	}
	if err != nil {
		k.close()
		return nil, err
	}
	return k, nil
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
		Table:    k.table,
		Devices:  k.devices,
		Firewall: k.rules,
		Detours:  &detours{Devices: k.devices, used: true},
		Sysctls:  k.sysctls,
		Modules:  modules{},
	}
}

// source is the address from which packets to a real server leave, the zero Addr
// if there is no way to it now.
func (k *kernel) source(server netip.Addr) netip.Addr {
	source, err := k.devices.Source(server)
	if err != nil {
		return netip.Addr{}
	}
	return source
}

func (k *kernel) close() {
	k.table.Close()
	if k.devices != nil {
		k.devices.Close()
	}
	if k.sysctls != nil {
		k.sysctls.Close()
	}
}

// modules are the kernel's modules by package kmod.
type modules struct{}

func (modules) Has(name string) (bool, error)               { return kmod.Has(name) }
func (modules) Load(ctx context.Context, name string) error { return kmod.Load(ctx, name) }

func openLedger(c *config.Config) (*reconcile.Ledger, error) {
	return reconcile.OpenLedger(filepath.Join(c.Director.StateDir, "owned.json"))
}
