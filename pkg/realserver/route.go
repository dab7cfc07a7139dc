package realserver

import (
	"context"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

// route leads answers through the director.
type route struct{ netdev.Route }

// halves are the two halves of all addresses. Routes to them win over the default
// route, which stays as it is, whoever keeps it.
var halves = map[lvs.Family][]netip.Prefix{
	lvs.IPv4: {netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")},
	lvs.IPv6: {netip.MustParsePrefix("::/1"), netip.MustParsePrefix("8000::/1")},
}

func (r route) String() string { return "route to " + r.Dst.String() + " via " + r.Via.String() }

func (r route) found(k *Kernel, _ observed) (string, bool, error) {
	routes, err := k.Devices.Routes(r.Dst)
	if err != nil {
		return "", false, err
	}
	for _, have := range routes {
		if have.Via == r.Via {
			return "it is there", true, nil
		}
	}
	if len(routes) > 0 {
		return "there is another route to " + r.Dst.String(), false, nil
	}
	return "it is not there", false, nil
}

func (r route) make(_ context.Context, k *Kernel) error { return k.Devices.AddRoute(r.Route) }

func (r route) undo(k *Kernel) (string, error) {
	return "", ignore(k.Devices.DeleteRoute(r.Route), unix.ESRCH)
}

func (r route) making() []string { return []string{command("ip", "route", "add", r.Dst, "via", r.Via)} }
func (r route) undoing() []string {
	return []string{command("ip", "route", "del", r.Dst, "via", r.Via)}
}
