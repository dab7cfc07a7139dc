package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// Table is the kernel's IPVS table. Apply gives one error for each change, in
// their order, nil where it was done.
type Table interface {
	Services() ([]lvs.Service, error)
	Apply(context.Context, []lvs.Change) []error
	Timeouts() (lvs.Timeouts, error)
	SetTimeouts(lvs.Timeouts) error
	Daemons() ([]lvs.SyncDaemon, error)
	StartDaemon(lvs.SyncDaemon) error
	StopDaemon(lvs.SyncRole) error
}

// Devices are the addresses of the host's interfaces, and the interfaces that are
// made for some. Take adds an address and tells the neighbours at once where it is.
type Devices interface {
	Addresses() (map[lvs.AddressKey]lvs.Address, error)
	Take(lvs.Address) error
	Delete(lvs.AddressKey) error
	VirtualLinks() (map[string]lvs.VirtualLink, error)
	AddVirtualLink(lvs.VirtualLink) error
	DeleteVirtualLink(name string) error
}

// Firewall is lvsd's own chains. Rules gives how often each rule of lvsd's is
// there: at least in the tables of those that are wanted, and in every other
// where it left some.
type Firewall interface {
	Rules(want map[lvs.Rule]int) (map[lvs.Rule]int, error)
	Add(lvs.Rule) error
	Delete(lvs.Rule) error
}

// Detours are lvsd's own.
type Detours interface {
	Detours() (map[lvs.Detour]bool, error)
	AddDetour(lvs.Detour) error
	DeleteDetour(lvs.Detour) error
}

// Sysctls are the kernel's parameters; one that does not exist is fs.ErrNotExist.
type Sysctls interface {
	Read(key string) (string, error)
	Write(key, value string) error
}

// Modules are the kernel's modules; one that is built in is there.
type Modules interface {
	Has(name string) (bool, error)
	Load(ctx context.Context, name string) error
}

// Guard is the guard in front of the VIPs. Observe gives nil where none is loaded.
type Guard interface {
	Observe(want *lvs.Guard) (*lvs.Guard, error)
	Load() error
	Apply(lvs.GuardChange) error
	Remove() error
}

// Kernel is every edge that a reconciler writes to.
type Kernel struct {
	Table    Table
	Devices  Devices
	Firewall Firewall
	Detours  Detours
	Sysctls  Sysctls
	Modules  Modules
	Guard    Guard
}

// host reads what the desired state must know of the machine, but for the table.
func (k Kernel) host() (lvs.State, error) {
	addresses, err := k.Devices.Addresses()
	return lvs.State{Addresses: addresses}, err
}

// observeGuard reads the guard. One that cannot be read is as wanted.
func (k Kernel) observeGuard(have *lvs.State, want lvs.State) error {
	g, err := k.Guard.Observe(want.Guard)
	if err != nil {
		return fmt.Errorf("read the guard: %w", err)
	}
	have.Guard = g
	return nil
}

// observe reads what else want speaks of, but for the guard. A part that cannot be read is given as
// wanted, so that nothing is done about it, and its error is among those
// returned.
func (k Kernel) observe(want, host lvs.State) (lvs.State, error) {
	have := want
	have.Addresses = host.Addresses
	if host.Services != nil {
		have.Services = host.Services
	}
	errs := []error{
		k.observeTimeouts(&have),
		k.observeLinks(&have),
		k.observeDaemons(&have),
		k.observeRules(&have, want.Rules),
		k.observeDetours(&have),
		k.observeSysctls(&have, want.Sysctls),
		k.observeModules(&have, want.Modules),
	}
	return have, errors.Join(errs...)
}

func (k Kernel) observeTable(have *lvs.State) error {
	services, err := k.Table.Services()
	if err != nil {
		return fmt.Errorf("read the IPVS table: %w", err)
	}
	have.Services = make(map[lvs.ServiceKey]lvs.Service, len(services))
	for _, s := range services {
		have.Services[s.Key] = s
	}
	return nil
}

func (k Kernel) observeTimeouts(have *lvs.State) error {
	timeouts, err := k.Table.Timeouts()
	if err != nil {
		return fmt.Errorf("read the IPVS time-outs: %w", err)
	}
	have.Timeouts = timeouts
	return nil
}

func (k Kernel) observeDaemons(have *lvs.State) error {
	daemons, err := k.Table.Daemons()
	if err != nil {
		return err
	}
	have.Daemons = map[lvs.SyncRole]lvs.SyncDaemon{}
	for _, d := range daemons {
		have.Daemons[d.Role] = d
	}
	return nil
}

func (k Kernel) observeLinks(have *lvs.State) error {
	links, err := k.Devices.VirtualLinks()
	if err != nil {
		return err
	}
	have.Links = links
	return nil
}

func (k Kernel) observeRules(have *lvs.State, want map[lvs.Rule]int) error {
	rules, err := k.Firewall.Rules(want)
	if err != nil {
		return fmt.Errorf("read the firewall: %w", err)
	}
	have.Rules = rules
	return nil
}

func (k Kernel) observeDetours(have *lvs.State) error {
	detours, err := k.Detours.Detours()
	if err != nil {
		return fmt.Errorf("read the detours: %w", err)
	}
	have.Detours = detours
	return nil
}

func (k Kernel) observeSysctls(have *lvs.State, want map[string]lvs.Sysctl) error {
	var errs []error
	values := map[string]lvs.Sysctl{}
	for _, s := range want {
		for _, key := range []string{s.Key, s.Over} {
			if _, seen := values[key]; seen || key == "" {
				continue
			}
			value, err := k.Sysctls.Read(key)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
				value = s.Value
			}
			values[key] = lvs.Sysctl{Key: key, Value: value}
		}
	}
	have.Sysctls = values
	return errors.Join(errs...)
}

func (k Kernel) observeModules(have *lvs.State, want []string) error {
	var errs []error
	have.Modules = nil
	for _, name := range want {
		ok, err := k.Modules.Has(name)
		if err != nil {
			errs = append(errs, err)
		}
		if ok || err != nil {
			have.Modules = append(have.Modules, name)
		}
	}
	return errors.Join(errs...)
}

// do applies one operation that is not of the IPVS table.
func (k Kernel) do(ctx context.Context, op plan.Op) error {
	switch op := op.(type) {
	case plan.Module:
		return k.Modules.Load(ctx, op.Name)
	case plan.Sysctl:
		return k.Sysctls.Write(op.Key, op.Value)
	case plan.Timeouts:
		return k.Table.SetTimeouts(op.Timeouts)
	case plan.Rule:
		if op.Verb == lvs.Delete {
			return k.Firewall.Delete(op.Rule)
		}
		return k.Firewall.Add(op.Rule)
	case plan.Detour:
		if op.Verb == lvs.Delete {
			return k.Detours.DeleteDetour(op.Detour)
		}
		return k.Detours.AddDetour(op.Detour)
	case plan.Link:
		if op.Verb == lvs.Delete {
			return k.Devices.DeleteVirtualLink(op.Name)
		}
		return k.Devices.AddVirtualLink(op.VirtualLink)
	case plan.Address:
		if op.Verb == lvs.Delete {
			return k.Devices.Delete(op.AddressKey)
		}
		return k.Devices.Take(op.Address)
	case plan.GuardLoad:
		return k.Guard.Load()
	case plan.GuardRemove:
		return k.Guard.Remove()
	case plan.Guard:
		return k.Guard.Apply(op.GuardChange)
	case plan.Daemon:
		if op.Verb == lvs.Delete {
			return k.Table.StopDaemon(op.Role)
		}
		return k.Table.StartDaemon(op.SyncDaemon)
	}
	return fmt.Errorf("%s: no such operation", op)
}
