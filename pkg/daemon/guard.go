package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/guard"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

const (
	// mostSamples is how many dropped packets are remembered.
	mostSamples = 50
	// mostTalkers is how many sources are told of.
	mostTalkers = 1000
	// synInterval is how often the SYNs of services are read. What is told of them is
	// of at least one such time and less than two.
	synInterval = 10 * time.Second
)

// guardReader is what the guard tells.
type guardReader interface {
	Observe(want *lvs.Guard) (*lvs.Guard, error)
	Counters() (lvs.GuardCounters, error)
	Talkers(n int) ([]lvs.GuardTalker, error)
	Retransmissions() ([]lvs.GuardSYNCount, error)
	Samples(ctx context.Context, f func(lvs.GuardSample)) error
	Test(frame []byte) (lvs.GuardVerdict, error)
}

// guarding is what the guard is told besides the configuration, and what it tells.
type guarding struct {
	kernel guardReader
	log    *slog.Logger
	lists  *guard.Lists
	blocks *guard.Blocks
	inputs atomic.Uint64 // number of changes of what the guard is told
	wake   chan struct{} // capacity 1: another block may be the next to end

	mu      sync.Mutex
	samples []lvs.GuardSample // the newest first
	syns    []synReading      // the newest first, two at most
	fault   string            // what the rounds could not do about the guard, "" if nothing
}

// synReading is what services were asked until a moment.
type synReading struct {
	at     time.Time
	counts map[lvs.ServiceKey]lvs.GuardSYNCount
}

func newGuarding(c *config.Config, k guardReader, log *slog.Logger) (*guarding, error) {
	blocks, err := guard.OpenBlocks(filepath.Join(c.Director.DataDir, "blocks.json"))
	if err != nil {
		return nil, err
	}
	g := &guarding{kernel: k, log: log, lists: guard.NewLists(log), blocks: blocks, wake: make(chan struct{}, 1)}
	g.follow(c)
	return g, nil
}

// follow reads the lists that a configuration names.
func (g *guarding) follow(c *config.Config) {
	g.lists.Follow(listFiles(c))
	g.inputs.Add(1)
}

// listFiles are the files of lists.
func listFiles(c *config.Config) []string {
	if c.Guard == nil {
		return nil
	}
	return append(c.Guard.Allow.Files[:len(c.Guard.Allow.Files):len(c.Guard.Allow.Files)], c.Guard.Block.Files...)
}

// changes counts the changes of what the guard is told; none is missed.
func (g *guarding) changes() uint64 { return g.inputs.Load() }

// told is what the guard is told besides the configuration, now.
func (g *guarding) told(c *config.Config) desired.Lists {
	var l desired.Lists
	if c.Guard == nil {
		return l
	}
	allow, allAllowed := g.lists.Set(c.Guard.Allow.Files)
	block, allBlocked := g.lists.Set(c.Guard.Block.Files)
	return desired.Lists{
		Allow: allow, AllowPartial: !allAllowed,
		Block: lvs.Union(block, g.blocks.Set(time.Now())), BlockPartial: !allBlocked,
	}
}

// run ends blocks in time and keeps what the guard tells, until the context ends.
func (g *guarding) run(ctx context.Context, kick func()) error {
	var readers sync.WaitGroup
	readers.Go(func() {
		if err := g.kernel.Samples(ctx, g.sampled); err != nil {
			g.log.Error("dropped packets are not sampled", "err", err)
		}
	})
	defer readers.Wait()
	ticker := time.NewTicker(synInterval)
	defer ticker.Stop()
	end := time.NewTimer(0)
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			g.readSYNs(time.Now())
			if g.refresh() {
				kick()
			}
			continue
		case <-g.wake:
		case <-end.C:
			g.inputs.Add(1)
			kick()
		}
		if next := g.blocks.Next(time.Now()); !next.IsZero() {
			end.Reset(time.Until(next))
		}
	}
}

// refresh reads the lists that have changed, and tells whether any did.
func (g *guarding) refresh() bool {
	if !g.lists.Refresh() {
		return false
	}
	g.inputs.Add(1)
	return true
}

func (g *guarding) sampled(s lvs.GuardSample) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.samples = append([]lvs.GuardSample{s}, g.samples[:min(len(g.samples), mostSamples-1)]...)
}

// readSYNs reads what services are asked. Where there is no guard it forgets.
func (g *guarding) readSYNs(now time.Time) {
	list, err := g.kernel.Retransmissions()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.syns = nil
		return
	}
	r := synReading{at: now, counts: map[lvs.ServiceKey]lvs.GuardSYNCount{}}
	for _, n := range list {
		r.counts[lvs.AddrKey(n.Port.Protocol, netip.AddrPortFrom(n.VIP, n.Port.Port))] = n
	}
	g.syns = append([]synReading{r}, g.syns[:min(len(g.syns), 1)]...)
}

// asked is what a service was asked between the last two readings.
func (g *guarding) asked(key lvs.ServiceKey) *status.GuardSYNs {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.syns) < 2 {
		return nil
	}
	now, ok := g.syns[0].counts[key]
	before := g.syns[1].counts[key]
	if !ok || before.SYNs > now.SYNs || before.Again > now.Again {
		return nil
	}
	return &status.GuardSYNs{
		Seconds:  g.syns[0].at.Sub(g.syns[1].at).Seconds(),
		SYNs:     now.SYNs - before.SYNs,
		Repeated: now.Again - before.Again,
	}
}

// roundDone keeps what a round could not do about the guard. What waits to be tried
// again still has the reason of the round that tried it.
func (g *guarding) roundDone(round reconcile.Round) {
	if round.Err != nil {
		return // it did not come so far
	}
	waits, failed := guardFaults(&round)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case failed != nil:
		g.fault = failed.Error()
	case waits == nil:
		g.fault = ""
	}
}

func (g *guarding) problem() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fault
}

// status adds the guard to a status.
func (g *guarding) status(s *status.Status, c *config.Config, addresses map[lvs.AddressKey]lvs.Address) {
	want := desired.Guard(c, desired.Host{Addresses: addresses}, g.told(c))
	have, err := g.kernel.Observe(want)
	if want == nil && have == nil && err == nil {
		return
	}
	var counters lvs.GuardCounters
	if have != nil && err == nil {
		counters, err = g.kernel.Counters()
	}
	s.SetGuard(want, have, counters, g.blocks.List(s.Time), errors.Join(g.lists.Err(), err))
	s.Guard.Error = g.problem()
	for i := range s.Services {
		s.Services[i].SYNs = g.asked(s.Services[i].Service)
	}
}
