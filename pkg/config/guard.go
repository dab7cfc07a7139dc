package config

import (
	"path/filepath"
	"slices"

	"github.com/lvsd/lvsd/pkg/guard"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Bounds and defaults of [guard].
const (
	maxLimit      = 1_000_000_000 // packets per second; no interface has more
	maxSample     = 100_000
	defaultSample = 100
)

// Guard is the table [guard].
type Guard struct {
	Interfaces []string // sorted
	Mode       lvs.GuardMode
	Enforce    bool // false: count what would be dropped
	OnStop     GuardOnStop
	Allow      List
	Block      List
	OpenPorts  []Port          // of every VIP, besides those of its services
	Sample     uint32          // dropped packets per second whose head is kept; 0: none
	Limits     lvs.GuardLimits // of every service that gives none of its own
}

// GuardOnStop is what becomes of the guard when the daemon stops.
type GuardOnStop string

// The choices of [guard] on_stop.
const (
	KeepGuard   GuardOnStop = "keep"
	DetachGuard GuardOnStop = "detach"
)

// List is networks that the configuration has itself, and files with more.
type List struct {
	Prefixes lvs.PrefixSet
	Files    []string // in the configuration's order
}

// guard reads [guard]; nil if there is none.
func (c *checker) guard(raw *rawGuard) *Guard {
	if !raw.given() || raw.bad {
		return nil
	}
	g := &Guard{
		Interfaces: c.guarded(raw),
		Enforce:    raw.Enforce.or(true),
		OnStop:     KeepGuard,
		Allow:      c.prefixList(&raw.Allow, &raw.AllowFiles, "allow_files"),
		Block:      c.prefixList(&raw.Block, &raw.BlockFiles, "block_files"),
		OpenPorts:  c.ports(&raw.OpenPorts),
		Sample:     uint32(raw.Sample.in(&c.problems, "sample", 0, maxSample, defaultSample)),
		Limits:     c.limits(&raw.Limit, lvs.GuardLimits{}),
	}
	if m, ok := choose(&c.problems, &raw.Mode, "mode", lvs.GuardModes, lvs.ParseGuardMode); ok {
		g.Mode = m
	}
	if s, ok := choose(&c.problems, &raw.OnStop, "on_stop", []string{"keep", "detach"}, word(KeepGuard, DetachGuard)); ok {
		g.OnStop = s
	}
	return g
}

// guarded reads the interfaces, each once.
func (c *checker) guarded(raw *rawGuard) []string {
	if !raw.Interfaces.bad && len(raw.Interfaces.values) == 0 {
		pos := raw.pos
		if raw.Interfaces.given() {
			pos = raw.Interfaces.pos
		}
		c.add(pos, `interfaces = ["NAME"], those on which clients' packets arrive`, "the guard has no interface")
	}
	var all []string
	for i := range raw.Interfaces.values {
		t := &raw.Interfaces.values[i]
		if !t.ok() {
			continue
		}
		name := c.device(t)
		if slices.Contains(all, name) {
			c.add(t.pos, "each interface once", "%s is already given", name)
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// prefixList reads networks and the paths of files with more. The files are read
// when the guard needs them: one that is bad changes nothing, whatever it was.
func (c *checker) prefixList(raw, files *list[text, *text], key string) List {
	var l List
	var set lvs.PrefixSetBuilder
	for i := range raw.values {
		t := &raw.values[i]
		if !t.ok() {
			continue
		}
		p, problem, expected := guard.ParseNetwork(t.value)
		if problem != "" {
			c.add(t.pos, expected, "%s", problem)
			continue
		}
		set.Add(p)
	}
	l.Prefixes = set.Set()
	for i := range files.values {
		t := &files.values[i]
		if !t.ok() {
			continue
		}
		path := filepath.Clean(c.file(t, key))
		if slices.Contains(l.Files, path) {
			c.add(t.pos, "each file once", "%s is already given", path)
			continue
		}
		l.Files = append(l.Files, path)
	}
	return l
}

// limits reads limits; those that are not given are the general ones.
func (c *checker) limits(raw *rawLimits, general lvs.GuardLimits) lvs.GuardLimits {
	return lvs.GuardLimits{
		SourceSYNs:    c.rate(&raw.SourceSYNs, "source_syns", general.SourceSYNs),
		SourcePackets: c.rate(&raw.SourcePackets, "source_packets", general.SourcePackets),
		SYNs:          c.rate(&raw.SYNs, "syns", general.SYNs),
		Packets:       c.rate(&raw.Packets, "packets", general.Packets),
		Fragments:     c.rate(&raw.Fragments, "fragments", general.Fragments),
	}
}

// rate reads a rate; a bucket holds what comes in a second if its burst is not
// given.
func (c *checker) rate(raw *rawRate, what string, general lvs.Rate) lvs.Rate {
	if !raw.ok() {
		return general
	}
	if !raw.Rate.given() {
		c.add(raw.pos, "rate = NUMBER, of a second", "%s has no rate", what)
		return general
	}
	r := lvs.Rate{PerSecond: uint32(raw.Rate.in(&c.problems, what, 0, maxLimit, 0))}
	least := int64(1)
	if r.PerSecond == 0 {
		least = 0
	}
	r.Burst = uint32(raw.Burst.in(&c.problems, "burst of "+what, least, maxLimit, int64(r.PerSecond)))
	if r.PerSecond == 0 && r.Burst > 0 && raw.Rate.ok() {
		c.add(raw.Burst.pos, "a rate above 0", "a burst has no effect without a limit")
	}
	return r
}

// serviceLimits reads [virtual.NAME.guard].
func (c *checker) serviceLimits(s *service, g *Guard) lvs.GuardLimits {
	raw := &s.raw.Guard
	if g == nil {
		if raw.given() {
			c.add(raw.pos, "a table [guard] with its interfaces", "virtual.%s has limits, but nothing guards it", s.name)
		}
		return lvs.GuardLimits{}
	}
	if raw.given() && s.raw.FWMark.given() {
		c.add(raw.pos, "vip instead of fwmark", "virtual.%s has a firewall mark, which the guard does not see", s.name)
	}
	return c.limits(raw, g.Limits)
}
