package config

import (
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// spec reads the keys of a check: those that every type has and those of its
// own.
func (c *checker) spec(n *node) (check.Spec, *rawCheckKeys, bool) {
	keys := &rawCheckKeys{}
	keys.pos = n.pos
	kind, ok := c.kind(n)
	if !ok {
		return nil, nil, false
	}
	spec, _ := check.Blank(kind)
	common, v := fieldsOf(keys), reflect.ValueOf(keys).Elem()
	own := specFields(spec)
	decodeKeys(&c.problems, n, slices.Concat(common.names, own.names), func(name string) raw {
		if index, ok := common.byName[name]; ok {
			return v.FieldByIndex(index).Addr().Interface().(raw)
		}
		if field, ok := own.byName[name]; ok {
			return field
		}
		if types := typesWith(name); len(types) > 0 {
			return &strayKey{kind: kind, types: types}
		}
		return nil
	})
	return spec, keys, true
}

// strayKey is a key that checks of other types have.
type strayKey struct {
	at
	kind  string
	types []string
}

func (s *strayKey) decode(p *problems, n *node) {
	p.add(n.key, "a key of the type "+s.kind, "%s is of the type %s, the check is of type %s", n.path, strings.Join(s.types, " or "), s.kind)
}

func (c *checker) kind(n *node) (string, bool) {
	var t text
	if n.table["type"] == nil {
		c.add(n.pos, `type = "TYPE": `+oneOf(check.Kinds()), "the check %s has no type", n.path)
		return "", false
	}
	t.decode(&c.problems, n.table["type"])
	return choose(&c.problems, &t, "type of check", check.Kinds(), word(check.Kinds()...))
}

// typesWith gives the types of checks that have a key.
func typesWith(key string) []string {
	var types []string
	for _, kind := range check.Kinds() {
		spec, _ := check.Blank(kind)
		if slices.Contains(specFields(spec).names, key) {
			types = append(types, kind)
		}
	}
	return types
}

// ownFields are the fields of one check's spec.
type ownFields struct {
	names  []string
	byName map[string]*specField
}

func specFields(s check.Spec) ownFields {
	f := ownFields{byName: map[string]*specField{}}
	f.add(reflect.ValueOf(s).Elem())
	return f
}

func (f *ownFields) add(v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("toml")
		switch {
		case name != "":
			f.names = append(f.names, name)
			f.byName[name] = &specField{into: v.Field(i)}
		case field.Anonymous:
			f.add(v.Field(i))
		}
	}
}

// specField is a field of a check's spec as a value of the files.
type specField struct {
	at
	into reflect.Value
}

func (s *specField) decode(p *problems, n *node) {
	s.pos = n.pos
	switch into := s.into.Addr().Interface().(type) {
	case *string:
		*into = single[string](p, n, &s.at, "a string")
	case *bool:
		*into = single[bool](p, n, &s.at, "true or false")
	case **bool:
		if v := single[bool](p, n, &s.at, "true or false"); !s.bad {
			*into = &v
		}
	case *int:
		v := number{at: s.at}
		v.decode(p, n)
		*into = int(v.in(p, n.path, 0, math.MaxInt32, 0))
	case *[]string:
		*into = s.strings(p, n)
	case *map[string]string:
		*into = s.table(p, n)
	case *check.Statuses:
		s.statuses(p, n, into)
	}
}

func (s *specField) strings(p *problems, n *node) []string {
	if !n.list || n.tables {
		p.add(n.pos, "a list of strings", "%s is %s", n.path, n.kind())
		return nil
	}
	words := make([]string, len(n.items))
	for i, item := range n.items {
		words[i] = single[string](p, item, &at{}, "a string")
	}
	return words
}

func (s *specField) table(p *problems, n *node) map[string]string {
	if n.table == nil {
		p.add(n.pos, `a table such as { Accept = "text/html" }`, "%s is %s", n.path, n.kind())
		return nil
	}
	table := map[string]string{}
	for _, name := range n.names() {
		table[name] = single[string](p, n.table[name], &at{}, "a string")
	}
	return table
}

func (s *specField) statuses(p *problems, n *node, into *check.Statuses) {
	items := []*node{n}
	if n.list {
		items = n.items
	}
	for _, item := range items {
		var status check.Statuses
		if err := status.UnmarshalTOML(item.value); err != nil {
			p.add(item.pos, "", "%s: %v", n.path, err)
			continue
		}
		*into = append(*into, status...)
	}
}
