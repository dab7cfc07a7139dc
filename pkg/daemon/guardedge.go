package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/xdp"
)

// errNoGuard is the error of whoever asks a guard that is not there.
var errNoGuard = errors.New("the guard is not loaded")

// guardEdge is the guard's edge of the kernel. It is opened when it is needed
// first: a director without a guard needs nothing of BPF. Several goroutines may
// use it.
type guardEdge struct {
	dir   string
	fresh chan *xdp.Guard // capacity 1: one that was opened just now

	mu   sync.Mutex
	open *xdp.Guard
}

func newGuardEdge(stateDir string) *guardEdge {
	return &guardEdge{dir: pins(stateDir), fresh: make(chan *xdp.Guard, 1)}
}

// pins is where the guard of the director with a state directory is pinned: several
// directors of one host share the bpf file system, whose names have no dots.
func pins(stateDir string) string {
	word := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, filepath.Base(stateDir))
	sum := sha256.Sum256([]byte(stateDir))
	return filepath.Join(xdp.Root, "lvsd", fmt.Sprintf("%.32s-%x", word, sum[:4]))
}

// Load opens the guard.
func (g *guardEdge) Load() error {
	_, err := g.handle()
	return err
}

func (g *guardEdge) handle() (*xdp.Guard, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		return g.open, nil
	}
	h, err := xdp.Open(g.dir)
	if err != nil {
		return nil, fmt.Errorf("load guard: %w", err)
	}
	g.open = h
	select {
	case <-g.fresh: // nobody took the one before
	default:
	}
	g.fresh <- h
	return h, nil
}

// adopt opens a guard that is there already; nil if there is none.
func (g *guardEdge) adopt() (*xdp.Guard, error) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open != nil {
		return open, nil
	}
	if _, err := os.Stat(g.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return g.handle()
}

// Observe is the reconciler's view. One that is wanted and cannot be opened is not
// there: loading it says why.
func (g *guardEdge) Observe(want *lvs.Guard) (*lvs.Guard, error) {
	h, err := g.adopt()
	if h == nil && (err == nil || want != nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if want == nil {
		want = &lvs.Guard{}
	}
	have, err := h.Observe(*want)
	if err != nil {
		return nil, err
	}
	return &have, nil
}

// Apply makes a change.
func (g *guardEdge) Apply(c lvs.GuardChange) error {
	h, err := g.handle()
	if err != nil {
		return err
	}
	return h.Apply(c)
}

// Remove takes the guard away.
func (g *guardEdge) Remove() error {
	h, err := g.handle()
	if err != nil {
		return err
	}
	err = h.Remove()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = nil
	return err
}

// loaded is the guard if it is there.
func (g *guardEdge) loaded() (*xdp.Guard, error) {
	h, err := g.adopt()
	if h == nil && err == nil {
		err = errNoGuard
	}
	return h, err
}

// Counters is xdp.Guard.Counters.
func (g *guardEdge) Counters() (lvs.GuardCounters, error) {
	h, err := g.loaded()
	if err != nil {
		return lvs.GuardCounters{}, err
	}
	return h.Counters()
}

// Talkers is xdp.Guard.Talkers.
func (g *guardEdge) Talkers(n int) ([]lvs.GuardTalker, error) {
	h, err := g.loaded()
	if err != nil {
		return nil, err
	}
	return h.Talkers(n)
}

// Retransmissions is xdp.Guard.Retransmissions.
func (g *guardEdge) Retransmissions() ([]lvs.GuardSYNCount, error) {
	h, err := g.loaded()
	if err != nil {
		return nil, err
	}
	return h.Retransmissions()
}

// Test is xdp.Guard.Test.
func (g *guardEdge) Test(frame []byte) (lvs.GuardVerdict, error) {
	h, err := g.loaded()
	if err != nil {
		return lvs.GuardVerdict{}, err
	}
	return h.Test(frame)
}

// Samples gives the heads of dropped packets to f until the context ends, of each
// guard that is loaded meanwhile.
func (g *guardEdge) Samples(ctx context.Context, f func(lvs.GuardSample)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case h := <-g.fresh:
			if err := h.Samples(ctx, f); err != nil {
				return fmt.Errorf("read the guard's samples: %w", err)
			}
		}
	}
}

func (g *guardEdge) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		g.open.Close()
	}
}
