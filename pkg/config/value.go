package config

import (
	"math"
	"time"
)

// at is where a value stands in the files. It is part of every raw value.
type at struct {
	pos       Position
	bad       bool // given, but not as what it has to be: told already
	inherited bool // from [defaults]
}

func (a *at) place() *at { return a }

// given tells whether the files give the value at all.
func (a *at) given() bool { return a.pos.Line != 0 }

// ok tells whether the files give the value and it is of the right kind.
func (a *at) ok() bool { return a.given() && !a.bad }

// own tells whether the value is given where it is looked at, not in [defaults].
func (a *at) own() bool { return a.ok() && !a.inherited }

// raw is what a value of the files decodes into. A value that is not what it
// has to be is a problem at its place and does not stop the rest.
type raw interface {
	decode(p *problems, n *node)
	place() *at
}

// single reads a single value of one kind.
func single[T any](p *problems, n *node, a *at, expected string) T {
	a.pos = n.pos
	v, ok := n.value.(T)
	if !ok {
		a.bad = true
		p.add(n.pos, expected, "%s is %s", n.path, n.kind())
	}
	return v
}

type text struct {
	at
	value string
}

func (t *text) decode(p *problems, n *node) {
	t.value = single[string](p, n, &t.at, "a string")
}

type boolean struct {
	at
	value bool
}

func (b *boolean) decode(p *problems, n *node) {
	b.value = single[bool](p, n, &b.at, "true or false")
}

// or is the value, or the other one where none is given.
func (b *boolean) or(otherwise bool) bool {
	if b.ok() {
		return b.value
	}
	return otherwise
}

type number struct {
	at
	value int64
}

func (v *number) decode(p *problems, n *node) {
	v.value = single[int64](p, n, &v.at, "a whole number")
}

// in checks the bounds of a number and gives it, or the default if the files
// do not.
func (v *number) in(p *problems, what string, least, most, otherwise int64) int64 {
	if !v.ok() {
		return otherwise
	}
	if v.value < least || v.value > most {
		p.add(v.pos, span(least, most), "%s %d is out of range", what, v.value)
		v.bad = true
		return otherwise
	}
	return v.value
}

// duration is a string with a unit. The TOML decoder takes a bare number for
// nanoseconds, which nobody means.
type duration struct {
	at
	value time.Duration
}

const aDuration = `a duration with its unit, such as "30s", "5m" or "1h30m"`

func (d *duration) decode(p *problems, n *node) {
	switch n.value.(type) {
	case int64, float64:
		d.pos, d.bad = n.pos, true
		p.add(n.pos, aDuration, "%s is a number without a unit", n.path)
		return
	}
	s := single[string](p, n, &d.at, aDuration)
	if d.bad {
		return
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		d.bad = true
		p.add(n.pos, aDuration, "%s = %q is not a duration", n.path, s)
	}
	d.value = v
}

// in checks the bounds of a duration and gives it, or the default if the files
// do not.
func (d *duration) in(p *problems, what string, least, most, otherwise time.Duration) time.Duration {
	if !d.ok() {
		return otherwise
	}
	if d.value < least || d.value > most {
		p.add(d.pos, "from "+short(least)+" to "+short(most), "%s %s is out of range", what, short(d.value))
		return otherwise
	}
	return d.value
}

// seconds is in for what the kernel counts in whole seconds.
func (d *duration) seconds(p *problems, what string, least, most time.Duration) time.Duration {
	if d.ok() && d.value%time.Second != 0 {
		p.add(d.pos, "whole seconds", "%s %s is a fraction of a second", what, short(d.value))
		return 0
	}
	return d.in(p, what, least, most, 0)
}

// list is one value or a list of them.
type list[T any, P interface {
	*T
	raw
}] struct {
	at
	values []T
}

func (l *list[T, P]) decode(p *problems, n *node) {
	l.pos = n.pos
	nodes := []*node{n}
	if n.list {
		nodes = n.items
	}
	l.values = make([]T, len(nodes))
	for i, n := range nodes {
		v := P(&l.values[i])
		v.decode(p, n)
		l.bad = l.bad || v.place().bad
	}
}

const maxUint32 = math.MaxUint32
