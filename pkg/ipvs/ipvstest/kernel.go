// Package ipvstest has an IPVS table in memory that behaves as the kernel's
// does, errno values included, and the contract test that holds the two to the
// same behaviour.
package ipvstest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Kernel is an IPVS table in memory, with the methods of ipvs.Table. It may be
// used from several goroutines; the exported fields are set before its first use.
type Kernel struct {
	// Fail, if set, is asked before each change: an error is the change's
	// outcome and leaves the table as it is.
	Fail func(lvs.Change) error
	// FailRead, if set, is asked before each reading of the table, its
	// statistics or the time-outs.
	FailRead func() error

	mu       sync.Mutex
	services map[lvs.ServiceKey]service
	stats    map[lvs.ServiceKey]lvs.ServiceStats
	timeouts lvs.Timeouts
	ops      []Op
}

type service struct {
	lvs.Settings
	servers map[netip.AddrPort]lvs.ServerSettings
}

// Op is a change that was asked for, and its outcome.
type Op struct {
	lvs.Change
	Err error // as Apply returned it
}

func (o Op) String() string {
	if o.Err != nil {
		return o.Err.Error()
	}
	return o.Change.String()
}

// New gives an empty table with the kernel's default time-outs.
func New() *Kernel {
	return &Kernel{
		services: make(map[lvs.ServiceKey]service),
		stats:    make(map[lvs.ServiceKey]lvs.ServiceStats),
		timeouts: lvs.Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 5 * time.Minute},
	}
}

// FailRate is a Fail that lets a share of the changes fail with ENOMEM, the
// same ones for the same seed.
func FailRate(share float64, seed uint64) func(lvs.Change) error {
	random := rand.New(rand.NewPCG(seed, 0))
	return func(lvs.Change) error {
		if random.Float64() < share {
			return unix.ENOMEM
		}
		return nil
	}
}

// Services gives the table, sorted.
func (k *Kernel) Services() ([]lvs.Service, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.failRead(); err != nil {
		return nil, fmt.Errorf("read virtual services: %w", err)
	}
	return k.sorted(), nil
}

func (k *Kernel) sorted() []lvs.Service {
	var all []lvs.Service
	for key, s := range k.services {
		out := lvs.Service{Key: key, Settings: s.Settings}
		for address, settings := range s.servers {
			out.Servers = append(out.Servers, lvs.Server{Key: address, ServerSettings: settings})
		}
		lvs.SortServers(out.Servers)
		all = append(all, out)
	}
	slices.SortFunc(all, func(a, b lvs.Service) int { return a.Key.Compare(b.Key) })
	return all
}

// Stats gives what SetStats set, or zeroes, for every service and server.
func (k *Kernel) Stats() (map[lvs.ServiceKey]lvs.ServiceStats, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.failRead(); err != nil {
		return nil, fmt.Errorf("read virtual services: %w", err)
	}
	all := make(map[lvs.ServiceKey]lvs.ServiceStats)
	for key, s := range k.services {
		known := k.stats[key]
		servers := make(map[netip.AddrPort]lvs.ServerStats)
		for address := range s.servers {
			servers[address] = known.Servers[address]
		}
		known.Servers = servers
		all[key] = known
	}
	return all, nil
}

// SetStats sets the statistics that Stats gives for a service and its servers
// from now on.
func (k *Kernel) SetStats(key lvs.ServiceKey, s lvs.ServiceStats) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.Servers = maps.Clone(s.Servers)
	k.stats[key] = s
}

// Timeouts gives the connection time-outs.
func (k *Kernel) Timeouts() (lvs.Timeouts, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.failRead(); err != nil {
		return lvs.Timeouts{}, fmt.Errorf("read ipvs time-outs: %w", err)
	}
	return k.timeouts, nil
}

// SetTimeouts sets the connection time-outs that are not zero.
func (k *Kernel) SetTimeouts(want lvs.Timeouts) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range []time.Duration{want.TCP, want.TCPFin, want.UDP} {
		if err := refuseSeconds(d); err != nil {
			return fmt.Errorf("set ipvs time-outs: %w", err)
		}
	}
	for _, field := range []struct{ have, want *time.Duration }{
		{&k.timeouts.TCP, &want.TCP},
		{&k.timeouts.TCPFin, &want.TCPFin},
		{&k.timeouts.UDP, &want.UDP},
	} {
		if *field.want != 0 {
			*field.have = *field.want
		}
	}
	return nil
}

func (k *Kernel) failRead() error {
	if k.FailRead == nil {
		return nil
	}
	return k.FailRead()
}

// Apply makes the changes and records them.
func (k *Kernel) Apply(ctx context.Context, changes []lvs.Change) []error {
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := make([]error, len(changes))
	for i, c := range changes {
		if err := k.apply(ctx, c); err != nil {
			errs[i] = fmt.Errorf("%s: %w", c.Brief(), err)
		}
		k.ops = append(k.ops, Op{Change: c, Err: errs[i]})
	}
	return errs
}

func (k *Kernel) apply(ctx context.Context, c lvs.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := refuseChange(c); err != nil {
		return err
	}
	if k.Fail != nil {
		if err := k.Fail(c); err != nil {
			return err
		}
	}
	if c.Server == nil {
		return k.applyService(c)
	}
	return k.applyServer(c)
}

func (k *Kernel) applyService(c lvs.Change) error {
	key := c.Service.Key
	have, ok := k.services[key]
	switch {
	case c.Verb == lvs.Add && ok:
		return unix.EEXIST
	case c.Verb != lvs.Add && !ok:
		return unix.ESRCH
	case c.Verb == lvs.Delete:
		delete(k.services, key)
		delete(k.stats, key)
		return nil
	}
	if err := refuseSettings(key.Family(), c.Service.Settings); err != nil {
		return err
	}
	if !ok {
		have.servers = make(map[netip.AddrPort]lvs.ServerSettings)
	}
	have.Settings = storedSettings(c.Service.Settings)
	k.services[key] = have
	return nil
}

func (k *Kernel) applyServer(c lvs.Change) error {
	s, ok := k.services[c.Service.Key]
	if !ok {
		return unix.ESRCH
	}
	_, there := s.servers[c.Server.Key]
	if c.Verb == lvs.Delete {
		if !there {
			return unix.ENOENT
		}
		delete(s.servers, c.Server.Key)
		return nil
	}
	settings := storedServer(c.Server.ServerSettings)
	if err := refuseServer(c.Service.Key.Family(), c.Server.Key.Addr(), settings); err != nil {
		return err
	}
	switch {
	case c.Verb == lvs.Add && there:
		return unix.EEXIST
	case c.Verb == lvs.Set && !there:
		return unix.ENOENT
	case c.Verb == lvs.Add && !routable(c.Server.Key.Addr()):
		return unix.EINVAL
	}
	s.servers[c.Server.Key] = settings
	return nil
}

// Ops gives the changes since the start or the last ForgetOps, in their order.
func (k *Kernel) Ops() []Op {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.ops)
}

// ForgetOps empties the record of changes.
func (k *Kernel) ForgetOps() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ops = nil
}

// String is the table as Text has it.
func (k *Kernel) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Text(k.sorted())
}

// Text writes services as text, one thing a line, every attribute that is not
// the usual one with it: for golden tests.
func Text(services []lvs.Service) string {
	var b strings.Builder
	for _, s := range services {
		fmt.Fprintf(&b, "%s %s", s.Key, s.Settings)
		if s.Persistence == 0 && int(s.Netmask) != s.Key.Family().Bits() {
			fmt.Fprintf(&b, " netmask /%d", s.Netmask)
		}
		b.WriteByte('\n')
		for _, server := range s.Servers {
			fmt.Fprintf(&b, "  %s %s\n", server.Key, server.ServerSettings)
		}
	}
	return b.String()
}
