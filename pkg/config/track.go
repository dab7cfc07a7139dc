package config

import (
	"path/filepath"
	"time"

	"github.com/lvsd/lvsd/pkg/track"
)

type rawTrack struct {
	at
	Process  text              `toml:"process"`
	Command  list[text, *text] `toml:"command"`
	File     text              `toml:"file"`
	Link     text              `toml:"link"`
	Gateway  text              `toml:"gateway"`
	Virtual  text              `toml:"virtual"`
	Interval duration          `toml:"interval"`
	Timeout  duration          `toml:"timeout"`
	Rise     number            `toml:"rise"`
	Fall     number            `toml:"fall"`
	Weight   number            `toml:"weight"`
	Repair   list[text, *text] `toml:"repair"`
}

func (r *rawTrack) decode(p *problems, n *node) { decodeTable(p, n, r, "a table ["+n.path+"]") }

const aTracked = `one of process, command, file, link, gateway and virtual`

// tracks reads [vrrp.NAME.track].
func (c *checker) tracks(raw *named[rawTrack, *rawTrack]) []track.Spec {
	var all []track.Spec
	for i := range raw.entries {
		e := &raw.entries[i]
		checkName(&c.problems, e.pos, "tracked thing", e.name)
		if !e.value.bad {
			all = append(all, c.tracked(e))
		}
	}
	return all
}

func (c *checker) tracked(e *entry[rawTrack]) track.Spec {
	raw := &e.value
	given := 0
	for _, a := range []*at{&raw.Process.at, &raw.Command.at, &raw.File.at, &raw.Link.at, &raw.Gateway.at, &raw.Virtual.at} {
		if a.given() {
			given++
		}
	}
	if given != 1 {
		c.add(e.pos, aTracked, "%d things are given for %s", given, e.name)
	}
	s := track.Spec{
		Name:     e.name,
		Process:  raw.Process.value,
		File:     c.absolute(&raw.File, "file"),
		Virtual:  raw.Virtual.value,
		Interval: raw.Interval.in(&c.problems, "interval", 100*time.Millisecond, time.Hour, time.Second),
		Rise:     int(raw.Rise.in(&c.problems, "rise", 1, 100, 1)),
		Fall:     int(raw.Fall.in(&c.problems, "fall", 1, 100, 1)),
		Weight:   int(raw.Weight.in(&c.problems, "weight", -253, 253, 0)),
	}
	s.Timeout = raw.Timeout.in(&c.problems, "timeout", 10*time.Millisecond, time.Hour, s.Interval)
	s.Command = c.program(&raw.Command, "command")
	s.Repair = c.program(&raw.Repair, "repair")
	if raw.Repair.ok() && s.Fall < 2 {
		c.add(raw.Repair.pos, "fall = 2 or more beside repair", "with fall = %d %s is down before it could be repaired", s.Fall, e.name)
	}
	if raw.Link.ok() {
		s.Link = c.device(&raw.Link)
	}
	if raw.Gateway.ok() {
		s.Gateway, _ = c.address(raw.Gateway.pos, raw.Gateway.value, aHost, 0, true)
	}
	return s
}

// program reads a program with its arguments.
func (c *checker) program(raw *list[text, *text], what string) []string {
	var words []string
	for i := range raw.values {
		word := raw.values[i].value
		if i == 0 {
			word = c.absolute(&raw.values[i], what)
		}
		words = append(words, word)
	}
	if raw.ok() && len(words) == 0 {
		c.add(raw.pos, "a program with its arguments", "%s is an empty list", what)
	}
	return words
}

// absolute reads a path that is not relative.
func (c *checker) absolute(t *text, what string) string {
	if t.ok() && !filepath.IsAbs(t.value) {
		c.add(t.pos, `a path that begins with "/"`, "%s %q is not absolute", what, t.value)
	}
	return t.value
}

// trackedServices holds that every virtual service that is tracked exists.
func (c *checker) trackedServices(raw *named[rawVRRP, *rawVRRP], services []Virtual) {
	known := map[string]bool{}
	for _, v := range services {
		known[v.Name] = true
	}
	for i := range raw.entries {
		tracks := raw.entries[i].value.Track.entries
		for j := range tracks {
			if t := &tracks[j].value.Virtual; t.ok() && !known[t.value] {
				c.add(t.pos, "the name of a table [virtual.NAME]", "there is no virtual service %q", t.value)
			}
		}
	}
}
