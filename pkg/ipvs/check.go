package ipvs

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// check refuses what no message to the kernel can express.
func check(c lvs.Change) error {
	if command(c) == 0 {
		return fmt.Errorf("%s: %w", c.Verb, unix.EINVAL)
	}
	if err := checkKey(c.Service.Key); err != nil {
		return err
	}
	if c.Server != nil {
		return checkAddress(c.Server.Key.Addr())
	}
	if c.Verb == lvs.Delete {
		return nil
	}
	return checkSettings(c.Service.Key.Family(), c.Service.Settings)
}

func checkKey(k lvs.ServiceKey) error {
	if k.Mark == 0 {
		return checkAddress(k.VIP.Addr())
	}
	if k.MarkOf != lvs.IPv4 && k.MarkOf != lvs.IPv6 {
		return fmt.Errorf("firewall mark of %s: %w", k.MarkOf, unix.EAFNOSUPPORT)
	}
	return nil
}

func checkAddress(a netip.Addr) error {
	if !a.IsValid() || a.Zone() != "" {
		return fmt.Errorf("address %s: %w", a, unix.EINVAL)
	}
	return nil
}

func checkSettings(f lvs.Family, s lvs.Settings) error {
	switch {
	case s.Scheduler == "":
		return fmt.Errorf("no scheduler: %w", unix.EINVAL)
	case len(s.Scheduler) > maxName:
		return fmt.Errorf("scheduler %q: %w", s.Scheduler, unix.EINVAL)
	case len(s.Engine) > maxName:
		return fmt.Errorf("persistence engine %q: %w", s.Engine, unix.EINVAL)
	case int(s.Netmask) > f.Bits():
		return fmt.Errorf("netmask /%d of %s: %w", s.Netmask, f, unix.EINVAL)
	}
	return checkSeconds(s.Persistence, maxPersistence)
}

// The longest times of which the kernel keeps the ticks, up to 1000 a second: a
// persistence in 32 bits, a time-out of connections in 31 (ip_vs_add_service and
// ip_vs_set_timeout, net/netfilter/ipvs/ip_vs_ctl.c).
const (
	maxPersistence = math.MaxUint32 / 1000 * time.Second
	maxTimeout     = math.MaxInt32 / 1000 * time.Second
)

// checkSeconds refuses a time-out that the kernel would round or cut.
func checkSeconds(d, limit time.Duration) error {
	if d < 0 || d > limit || d%time.Second != 0 {
		return fmt.Errorf("time-out %s: %w", d, unix.EINVAL)
	}
	return nil
}
