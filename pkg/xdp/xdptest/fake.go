package xdptest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Fake is a Guard as a daemon has it: it is loaded when it is needed, tells what it
// is told to, and can fail. It is safe for several goroutines.
type Fake struct {
	// Fail is asked before each operation, with its text; an error makes the
	// operation fail without an effect.
	Fail func(op string) error

	// What it tells.
	Counted lvs.GuardCounters
	Talking []lvs.GuardTalker
	SYNs    []lvs.GuardSYNCount

	mu     sync.Mutex
	absent map[string]bool
	guard  *Guard // nil where it is not loaded
}

// NewFake returns a Fake that is not loaded, on a host without these interfaces.
func NewFake(absent ...string) *Fake {
	f := &Fake{absent: map[string]bool{}}
	for _, name := range absent {
		f.absent[name] = true
	}
	return f
}

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

// Observe gives the guard, nil where none is loaded.
func (f *Fake) Observe(want *lvs.Guard) (*lvs.Guard, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("observe"); err != nil {
		return nil, err
	}
	if f.guard == nil {
		return nil, nil
	}
	have, err := f.guard.Observe(lvs.Guard{})
	return &have, err
}

// Load makes an empty guard.
func (f *Fake) Load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("load"); err != nil {
		return err
	}
	if f.guard == nil {
		f.guard = New()
		f.guard.Absent = f.absent
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
	return f.guard.Apply(c)
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
	delete(f.guard.state.Interfaces, name)
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

// Test judges by the rules, with full buckets.
func (f *Fake) Test(frame []byte) (lvs.GuardVerdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.guard == nil {
		return lvs.GuardVerdict{}, errors.New("the guard is not loaded")
	}
	return f.guard.Test(frame, 0), nil
}
