package daemon

import (
	"maps"

	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// rules reads the firewall where lvsd has a reason to look: in the tables of
// the rules that are wanted, and in those where it had some. A reading costs a
// command for each table, and a machine without rules need not have iptables.
type rules struct {
	*firewall.Firewall
	used map[firewall.Table]bool // tables that may hold rules from before
}

// newRules looks at every table of lvsd's once, for what an earlier run left.
func newRules() *rules {
	return &rules{Firewall: firewall.New(), used: map[firewall.Table]bool{
		{Family: lvs.IPv4, Name: "nat"}:    true,
		{Family: lvs.IPv6, Name: "nat"}:    true,
		{Family: lvs.IPv4, Name: "filter"}: true,
		{Family: lvs.IPv6, Name: "filter"}: true,
	}}
}

// Rules is the reconciler's view.
func (r *rules) Rules(want map[lvs.Rule]int) (map[lvs.Rule]int, error) {
	wanted := firewall.Tables(want)
	all, err := r.Firewall.Rules(wanted)
	if err != nil {
		return nil, err
	}
	for _, t := range wanted {
		delete(r.used, t)
	}
	for t := range r.used {
		// An error is not told: where iptables does not work, lvsd has left nothing.
		if left, err := r.Firewall.Rules([]firewall.Table{t}); err == nil {
			maps.Copy(all, left)
		}
	}
	r.used = map[firewall.Table]bool{}
	for _, t := range append(firewall.Tables(all), wanted...) {
		r.used[t] = true
	}
	return all, nil
}
