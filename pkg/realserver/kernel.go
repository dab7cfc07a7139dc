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
	// Watch calls kick when an interface or an address changes, until the context
	// ends.
	Watch func(ctx context.Context, kick func()) error

	privileged func() error // nil needs no privilege
	close      func()
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
		Watch: netdev.Watch, privileged: privileged,
		close: func() {
			devices.Close()
			sysctls.Close()
		},
	}, nil
}

// permit tells whether this process may change anything.
func (k *Kernel) permit() error {
	if k.privileged == nil {
		return nil
	}
	return k.privileged()
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

// command writes a command line.
func command(words ...any) string {
	line := fmt.Sprintln(words...)
	return line[:len(line)-1]
}
