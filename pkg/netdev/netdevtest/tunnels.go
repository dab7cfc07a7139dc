package netdevtest

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/netdev"
)

// Tunnels is netdev.Devices.Tunnels.
func (f *Fake) Tunnels() (map[string]netdev.Tunnel, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("list", "tunnels"); err != nil {
		return nil, err
	}
	return maps.Clone(f.tunnels), nil
}

// AddTunnel is netdev.Devices.AddTunnel.
func (f *Fake) AddTunnel(t netdev.Tunnel) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("add tunnel", t.Name); err != nil {
		return err
	}
	for _, other := range f.tunnels {
		if other.Kind == t.Kind && other.Local == t.Local {
			return fmt.Errorf("add tunnel %s: %w", t.Name, unix.EEXIST)
		}
	}
	if f.link(t.Name) >= 0 {
		return fmt.Errorf("add tunnel %s: %w", t.Name, unix.EEXIST)
	}
	f.tunnels[t.Name] = t
	f.links = append(f.links, netdev.Interface{Name: t.Name, Index: len(f.links) + 1, MTU: 1480})
	return nil
}

// DeleteTunnel is netdev.Devices.DeleteTunnel.
func (f *Fake) DeleteTunnel(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("delete tunnel", name); err != nil {
		return err
	}
	at := f.link(name)
	if at < 0 {
		return fmt.Errorf("delete tunnel %s: %w", name, unix.ENODEV)
	}
	if _, ok := f.tunnels[name]; !ok {
		return fmt.Errorf("delete tunnel %s: %w", name, unix.EINVAL)
	}
	f.links = slices.Delete(f.links, at, at+1)
	delete(f.tunnels, name)
	return nil
}

// SetUp is netdev.Devices.SetUp.
func (f *Fake) SetUp(name string) error { return f.set(name, true) }

// SetDown sets an interface down.
func (f *Fake) SetDown(name string) error { return f.set(name, false) }

func (f *Fake) set(name string, up bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("set up", name); err != nil {
		return err
	}
	at := f.link(name)
	if at < 0 {
		return fmt.Errorf("set %s up: %w", name, unix.ENODEV)
	}
	f.links[at].Up = up
	return nil
}

func (f *Fake) link(name string) int {
	return slices.IndexFunc(f.links, func(l netdev.Interface) bool { return l.Name == name })
}

// GUEPorts is netdev.Devices.GUEPorts.
func (f *Fake) GUEPorts() ([]netdev.GUEPort, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("list", "gue ports"); err != nil {
		return nil, err
	}
	return slices.Clone(f.ports), nil
}

// AddGUEPort is netdev.Devices.AddGUEPort.
func (f *Fake) AddGUEPort(p netdev.GUEPort) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("add gue port", fmt.Sprint(p.Port)); err != nil {
		return err
	}
	at, found := slices.BinarySearchFunc(f.ports, p, netdev.GUEPort.Compare)
	if found {
		return fmt.Errorf("add gue port %d of %s: %w", p.Port, p.Family, unix.EADDRINUSE)
	}
	f.ports = slices.Insert(f.ports, at, p)
	return nil
}

// DeleteGUEPort is netdev.Devices.DeleteGUEPort.
func (f *Fake) DeleteGUEPort(p netdev.GUEPort) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("delete gue port", fmt.Sprint(p.Port)); err != nil {
		return err
	}
	at, found := slices.BinarySearchFunc(f.ports, p, netdev.GUEPort.Compare)
	if !found {
		return fmt.Errorf("delete gue port %d of %s: %w", p.Port, p.Family, unix.EINVAL)
	}
	f.ports = slices.Delete(f.ports, at, at+1)
	return nil
}
