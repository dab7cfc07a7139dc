package ipvstest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

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
