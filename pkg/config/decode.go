package config

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// decodeTable reads a table into the fields of a struct by their toml tags.
// Keys are case-sensitive; one without a field is a problem.
func decodeTable(p *problems, n *node, into raw, expected string) {
	a := into.place()
	a.pos = n.pos
	if n.table == nil {
		a.bad = true
		p.add(n.pos, expected, "%s is %s", n.path, n.kind())
		return
	}
	f, v := fieldsOf(into), reflect.ValueOf(into).Elem()
	decodeKeys(p, n, f.names, func(name string) raw {
		if index, ok := f.byName[name]; ok {
			return v.FieldByIndex(index).Addr().Interface().(raw)
		}
		return nil
	})
}

// decodeKeys reads the keys of a table into what into gives for each; nil is for
// one that is not known.
func decodeKeys(p *problems, n *node, known []string, into func(name string) raw) {
	for _, name := range n.names() {
		if field := into(name); field != nil {
			field.decode(p, n.table[name])
			continue
		}
		unknownKey(p, n, n.table[name], name, known)
	}
}

func unknownKey(p *problems, table, key *node, name string, known []string) {
	where := ""
	if table.path != "" {
		where = " in [" + table.path + "]"
	}
	p.add(key.key, oneOf(known), "unknown key %q%s%s", name, where, DidYouMean(name, known))
}

// fields are those of a struct that have a toml tag, those of embedded structs
// among them.
type fields struct {
	names  []string // in the order of the struct
	byName map[string][]int
}

// known holds the fields of every raw struct by its type: a large file has a
// hundred thousand tables of a few types.
var known sync.Map

func fieldsOf(of raw) *fields {
	t := reflect.TypeOf(of).Elem()
	if f, ok := known.Load(t); ok {
		return f.(*fields)
	}
	f := &fields{byName: map[string][]int{}}
	f.add(t, nil)
	known.Store(t, f)
	return f
}

func (f *fields) add(t reflect.Type, path []int) {
	for i := range t.NumField() {
		field := t.Field(i)
		index := append(slices.Clone(path), i)
		name := field.Tag.Get("toml")
		if name != "" {
			f.names = append(f.names, name)
			f.byName[name] = index
		} else if field.Anonymous && field.Type.Kind() == reflect.Struct {
			f.add(field.Type, index)
		}
	}
}

// inherit fills what a table does not give from [defaults].
func inherit(into, from *rawSettings) {
	d, s := reflect.ValueOf(into).Elem(), reflect.ValueOf(from).Elem()
	for i := range d.NumField() {
		if d.Type().Field(i).Tag.Get("toml") == "" {
			continue
		}
		a := d.Field(i).Addr().Interface().(raw).place()
		if a.given() || !s.Field(i).Addr().Interface().(raw).place().given() {
			continue
		}
		d.Field(i).Set(s.Field(i))
		a.inherited = true
	}
}

// named is a table whose keys are names that the operator chose.
type named[T any, P interface {
	*T
	raw
}] struct {
	at
	entries []entry[T]
}

type entry[T any] struct {
	name  string
	pos   Position // of the name
	value T
}

func (t *named[T, P]) decode(p *problems, n *node) {
	t.pos = n.pos
	if n.table == nil {
		t.bad = true
		p.add(n.pos, "a table ["+n.path+"] with a key for each name", "%s is %s", n.path, n.kind())
		return
	}
	t.entries = make([]entry[T], 0, len(n.table))
	for _, name := range n.names() {
		e := entry[T]{name: name, pos: n.table[name].key}
		P(&e.value).decode(p, n.table[name])
		t.entries = append(t.entries, e)
	}
}

const aName = `1 to 63 letters, digits, "_", "-" and ".", the first a letter, a digit or "_"`

// checkName checks a name that commands, logs and metrics will show.
func checkName(p *problems, pos Position, what, name string) {
	ok := name != "" && len(name) <= 63 && !strings.ContainsAny(name[:1], "-.")
	for i := range len(name) {
		ok = ok && (bare(name[i]) || name[i] == '.')
	}
	if !ok {
		p.add(pos, aName, "%q cannot be the name of a %s", name, what)
	}
}
