package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// node is one value of the files with its place: a table, a list, or what the
// TOML decoder made of a single value.
type node struct {
	path   string // "virtual.web.vip"
	key    Position
	pos    Position
	inline bool
	value  any              // string, int64, float64, bool or time.Time
	table  map[string]*node // of a table, else nil
	items  []*node          // of a list
	list   bool
	tables bool // a list written as [[tables]]
}

// kind says what a node is, for messages.
func (n *node) kind() string {
	switch {
	case n.table != nil:
		return "a table"
	case n.tables:
		return fmt.Sprintf("a list of tables, [[%s]]", n.path)
	case n.list:
		return "a list"
	}
	switch n.value.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a fraction"
	case bool:
		return "true or false"
	case time.Time:
		return "a date or a time"
	}
	return "a value"
}

// names gives the keys of a table in order.
func (n *node) names() []string { return slices.Sorted(maps.Keys(n.table)) }

// join puts the values that the decoder found at their places.
func join(path string, value any, p *place, at func(offset int) Position) *node {
	n := &node{path: path, key: at(p.key), pos: at(p.value), inline: p.inline}
	switch v := value.(type) {
	case map[string]any:
		n.table = make(map[string]*node, len(v))
		for name, value := range v {
			n.table[name] = join(joinPath(path, name), value, p.of(name), at)
		}
	case []map[string]any:
		n.list, n.tables = true, true
		for i, value := range v {
			n.items = append(n.items, join(fmt.Sprintf("%s[%d]", path, i), value, p.item(i), at))
		}
	case []any:
		n.list = true
		for i, value := range v {
			n.items = append(n.items, join(fmt.Sprintf("%s[%d]", path, i), value, p.item(i), at))
		}
	default:
		n.value = v
	}
	return n
}

// joinPath writes a key path as it could stand in a file.
func joinPath(path, name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r > 0x7f || !bare(byte(r)) }) {
		name = fmt.Sprintf("%q", name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// merge adds the tables of a further file. A key may stand in one file only;
// tables that are written with a header may be continued in another.
func merge(into, from *node, p *problems) {
	for _, name := range from.names() {
		n := from.table[name]
		old, twice := into.table[name]
		switch {
		case !twice:
			into.table[name] = n
		case old.table == nil || n.table == nil || old.inline || n.inline:
			p.add(n.key, "it in one file only", "%s is already given at %s", n.path, old.key)
		default:
			merge(old, n, p)
		}
	}
}
