package realserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/kmod"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/sysctl"
)

// Addresses are the interfaces of the host and their addresses.
type Addresses interface {
	Interfaces() ([]netdev.Interface, error)
	Addresses() (map[lvs.AddressKey]lvs.Address, error)
	Add(lvs.Address) error
	Delete(lvs.AddressKey) error
}

// Tunnels are the devices and ports at which tunnelled packets arrive.
type Tunnels interface {
	Tunnels() (map[string]netdev.Tunnel, error)
	AddTunnel(netdev.Tunnel) error
	DeleteTunnel(name string) error
	SetUp(name string) error
	GUEPorts() ([]netdev.GUEPort, error)
	AddGUEPort(netdev.GUEPort) error
	DeleteGUEPort(netdev.GUEPort) error
}

// Routes are the ways that packets leave the host, and what is found there.
type Routes interface {
	Path(netip.Addr) (netdev.Path, error)
	Routes(dst netip.Prefix) ([]netdev.Route, error)
	AddRoute(netdev.Route) error
	DeleteRoute(netdev.Route) error
	ProbeARP(ctx context.Context, name string, ip netip.Addr, wait time.Duration) ([]net.HardwareAddr, error)
}

// Devices are all of these.
type Devices interface {
	Addresses
	Tunnels
	Routes
}

// Sysctls are the kernel's parameters; one that does not exist is fs.ErrNotExist.
type Sysctls interface {
	Read(key string) (string, error)
	Write(key, value string) error
}

// Firewall is lvsd's own chains; Blocked tells which rule, of anybody, drops a
// packet.
type Firewall interface {
	Rules([]firewall.Table) (map[lvs.Rule]int, error)
	Add(lvs.Rule) error
	Delete(lvs.Rule) error
	Blocked(firewall.Packet) (string, error)
}

// Modules are the kernel's modules; one that is built in is there.
type Modules interface {
	Has(name string) (bool, error)
	Load(ctx context.Context, name string) error
}

// Kernel is all of the kernel that a real server needs.
type Kernel struct {
	Devices  Devices
	Sysctls  Sysctls
	Firewall Firewall
	Modules  Modules

	close func()
}

// Open opens the running kernel, in the network namespace of the calling thread.
func Open() (*Kernel, error) {
	devices, err := netdev.Open()
	if err != nil {
		return nil, err
	}
	sysctls, err := sysctl.Open()
	if err != nil {
		devices.Close()
		return nil, err
	}
	return &Kernel{
		Devices: devices, Sysctls: sysctls, Firewall: firewall.New(), Modules: modules{},
		close: func() {
			devices.Close()
			sysctls.Close()
		},
	}, nil
}

// Close closes what Open opened.
func (k *Kernel) Close() {
	if k.close != nil {
		k.close()
	}
}

// modules are the kernel's modules by package kmod.
type modules struct{}

func (modules) Has(name string) (bool, error)               { return kmod.Has(name) }
func (modules) Load(ctx context.Context, name string) error { return kmod.Load(ctx, name) }

// observed is what the host is like at one moment.
type observed struct {
	interfaces []netdev.Interface
	addresses  map[lvs.AddressKey]lvs.Address
	tunnels    map[string]netdev.Tunnel
	ports      []netdev.GUEPort
	rules      map[lvs.Rule]int
	noRules    error // why the rules could not be read
}

// observe reads the host, and the firewall as far as the items speak of it.
func (k *Kernel) observe(items []Item) (observed, error) {
	var o observed
	wanted := map[lvs.Rule]int{}
	for _, i := range items {
		if i.Rule != nil {
			wanted[*i.Rule]++
		}
	}
	o.rules, o.noRules = k.Firewall.Rules(firewall.Tables(wanted))
	var errs [4]error
	o.interfaces, errs[0] = k.Devices.Interfaces()
	o.addresses, errs[1] = k.Devices.Addresses()
	o.tunnels, errs[2] = k.Devices.Tunnels()
	o.ports, errs[3] = k.Devices.GUEPorts()
	return o, errors.Join(errs[:]...)
}

// link finds an interface.
func (o observed) link(name string) (netdev.Interface, bool) {
	for _, l := range o.interfaces {
		if l.Name == name {
			return l, true
		}
	}
	return netdev.Interface{}, false
}

// fallbackKey says in which namespaces a tunnel module, when it is loaded, makes a
// device of its own such as tunl0: 0 in all, 1 in the first, 2 in none
// (Documentation/admin-guide/sysctl/net.rst).
const fallbackKey = "net.core.fb_tunnels_only_for_init_net"

// load loads a module without the devices that nobody asked for and that would be
// left over.
func (k *Kernel) load(ctx context.Context, module string) error {
	if has, err := k.Modules.Has(module); has || err != nil {
		return err
	}
	// The key is missing outside of the host's own namespace and on old kernels; then
	// there is a device more.
	if old, err := k.Sysctls.Read(fallbackKey); err == nil && k.Sysctls.Write(fallbackKey, "2") == nil {
		defer func() { _ = k.Sysctls.Write(fallbackKey, old) }()
	}
	return k.Modules.Load(ctx, module)
}

// command writes a command line.
func command(words ...any) string {
	line := fmt.Sprintln(words...)
	return line[:len(line)-1]
}
