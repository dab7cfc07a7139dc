package xdptest

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Fake holds a guard in memory. It is safe for several goroutines.
type Fake struct {
	// Fail is asked before each operation, with its text; an error makes the
	// operation fail without an effect.
	Fail func(op string) error

	// What it tells.
	Counted lvs.GuardCounters
	Talking []lvs.GuardTalker
	SYNs    []lvs.GuardSYNCount

	mu    sync.Mutex
	links []string
	guard *lvs.Guard
}

// NewFake returns a Fake on a host with these interfaces, without a guard.
func NewFake(links ...string) *Fake { return &Fake{links: links} }

// Set runs what sets the fields of a Fake that is in use.
func (f *Fake) Set(set func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set()
}

func (f *Fake) fail(op string) error {
	if f.Fail == nil {
		return nil
	}
	return f.Fail(op)
}

// Observe gives the guard, nil if none is loaded.
func (f *Fake) Observe(want *lvs.Guard) (*lvs.Guard, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("observe"); err != nil {
		return nil, err
	}
	if f.guard == nil {
		return nil, nil
	}
	g := *f.guard
	g.Interfaces, g.VIPs = maps.Clone(g.Interfaces), maps.Clone(g.VIPs)
	return &g, nil
}

// Load makes an empty guard.
func (f *Fake) Load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("load"); err != nil {
		return err
	}
	if f.guard == nil {
		f.guard = &lvs.Guard{Interfaces: map[string]lvs.GuardLink{}, VIPs: map[netip.Addr]lvs.GuardVIP{}}
	}
	return nil
}

// Apply makes one change.
func (f *Fake) Apply(c lvs.GuardChange) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail(c.String()); err != nil {
		return err
	}
	if f.guard == nil {
		return fmt.Errorf("%s: the guard is not loaded", c)
	}
	switch c := c.(type) {
	case lvs.GuardSet:
		f.guard.GuardSettings = c.Settings
	case lvs.GuardPrefixes:
		if c.List == lvs.AllowList {
			f.guard.Allow = c.Prefixes
		} else {
			f.guard.Block = c.Prefixes
		}
	case lvs.GuardVIPChange:
		if c.Verb == lvs.Delete {
			delete(f.guard.VIPs, c.Addr)
			return nil
		}
		f.guard.VIPs[c.Addr] = c.VIP
	case lvs.GuardAttach:
		return f.attach(c)
	}
	return nil
}

func (f *Fake) attach(c lvs.GuardAttach) error {
	if c.Verb == lvs.Delete {
		delete(f.guard.Interfaces, c.Interface)
		return nil
	}
	if !slices.Contains(f.links, c.Interface) {
		return fmt.Errorf("%s: %w", c, unix.ENODEV)
	}
	mode := c.Link.Mode
	if mode == lvs.GuardAuto {
		mode = lvs.GuardDriver
	}
	f.guard.Interfaces[c.Interface] = lvs.GuardLink{Mode: mode}
	return nil
}

// Remove takes the guard away.
func (f *Fake) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("remove"); err != nil {
		return err
	}
	f.guard = nil
	return nil
}

// Detach is what somebody else does to an interface.
func (f *Fake) Detach(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.guard.Interfaces, name)
}

// Counters gives Counted.
func (f *Fake) Counters() (lvs.GuardCounters, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Counted, nil
}

// Talkers gives n of Talking.
func (f *Fake) Talkers(n int) ([]lvs.GuardTalker, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Talking[:min(n, len(f.Talking))], nil
}

// Retransmissions gives SYNs.
func (f *Fake) Retransmissions() ([]lvs.GuardSYNCount, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.SYNs, nil
}

// Samples has none.
func (f *Fake) Samples(ctx context.Context, _ func(lvs.GuardSample)) error {
	<-ctx.Done()
	return nil
}

// Test passes every packet.
func (f *Fake) Test([]byte) (lvs.GuardVerdict, error) { return lvs.GuardVerdict{}, nil }
