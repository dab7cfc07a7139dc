package status

import (
	"slices"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/override"
)

// Override is one word of the operator.
type Override struct {
	override.Override
	Idle bool `json:"idle"` // the configuration has nothing that it is about
}

func overrides(c *config.Config, all override.Set) []Override {
	list := []Override{}
	for _, o := range all {
		list = append(list, Override{Override: o, Idle: !About(c, o.Target)})
	}
	return list
}

// About tells whether a configuration has what a target is about.
func About(c *config.Config, t override.Target) bool {
	if t == override.Self {
		return slices.ContainsFunc(c.VRRP, func(v config.VRRP) bool { return !v.External })
	}
	for _, v := range c.Virtual {
		for _, r := range v.Real {
			if t.Covers(v.Name, r.Name, r.Address) {
				return true
			}
		}
	}
	return false
}

// overrideOn is the one that decides about a real server. A fallback has none: it
// serves when nobody else does.
func overrideOn(all override.Index, v config.Virtual, r config.Real, fallback bool) *override.Override {
	o, found := all.On(v.Name, r.Name, r.Address)
	if !found || fallback {
		return nil
	}
	return &o
}
