package web

import (
	"net/netip"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// guarded is the guard in front of the VIPs. What comes in a second the page works
// out itself, from one frame to the next.
type guarded struct {
	Loaded     bool                    `json:"loaded"`
	Error      string                  `json:"error,omitempty"`
	Enforce    bool                    `json:"enforce"`
	Interfaces []status.GuardInterface `json:"interfaces"`
	Allow      int                     `json:"allow"`     // networks on the list
	Block      int                     `json:"block"`     // those by command among them
	Commanded  int                     `json:"commanded"` // blocks by command
	Problems   []string                `json:"problems,omitempty"`
	VIPs       []guardedVIP            `json:"vips"`
}

type guardedVIP struct {
	VIP     netip.Addr        `json:"vip"`
	Passed  status.GuardCount `json:"passed"`
	Dropped status.GuardCount `json:"dropped"`
	Rules   []guardRule       `json:"rules"`
}

// guardRule is a rule and how many packets it decided over.
type guardRule struct {
	Rule    string `json:"rule"`            // in words
	Drops   bool   `json:"drops,omitempty"` // if the guard enforces
	Passed  uint64 `json:"passed,omitempty"`
	Dropped uint64 `json:"dropped,omitempty"`
}

// asked is what clients asked of a service lately.
type asked struct {
	status.GuardSYNs
	Telling bool `json:"telling,omitempty"` // so many asked again that somebody should look
}

// sentences are the reasons that one would not understand where nothing else is said.
var sentences = map[string]string{
	lvs.GuardAllowed.String():       "source on the allow list",
	lvs.GuardBlocked.String():       "source on the block list",
	lvs.GuardBadFlags.String():      "invalid TCP flags",
	lvs.GuardBadSource.String():     "invalid source address",
	lvs.GuardUndeclared.String():    "no service at this port",
	lvs.GuardSourceSYNs.String():    "too many SYNs of one source",
	lvs.GuardSourcePackets.String(): "too many packets of one source",
	lvs.GuardSYNs.String():          "too many SYNs",
	lvs.GuardPackets.String():       "too many packets",
	lvs.GuardFragments.String():     "too many fragments",
}

// guardOf is nil without a guard.
func guardOf(g *status.Guard) *guarded {
	if g == nil {
		return nil
	}
	view := &guarded{
		Loaded: g.Loaded, Error: g.Error, Enforce: g.Enforce, Interfaces: g.Interfaces, Allow: g.Allow, Block: g.Block,
		Commanded: len(g.Commanded), Problems: g.Problems[:min(len(g.Problems), shown)], VIPs: []guardedVIP{},
	}
	for _, v := range g.VIPs {
		one := guardedVIP{VIP: v.VIP, Passed: v.Passed, Dropped: v.Dropped, Rules: []guardRule{}}
		for _, r := range v.Reasons {
			one.Rules = append(one.Rules, guardRule{Rule: sentence(r.Reason), Drops: r.Drops, Passed: r.Passed, Dropped: r.Dropped})
		}
		view.VIPs = append(view.VIPs, one)
	}
	return view
}

func sentence(reason string) string {
	if s, ok := sentences[reason]; ok {
		return s
	}
	return reason
}

// askedOf is nil where it is not known.
func askedOf(s *status.GuardSYNs) *asked {
	if s == nil {
		return nil
	}
	return &asked{*s, s.Telling()}
}
