package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
)

// document is a director.toml in the making.
type document struct {
	head    []string // paragraphs of the comment at its beginning
	tables  []*table
	remarks []Remark
	errs    config.Errors
	names
}

// table is a table with what is said about it.
type table struct {
	pos     config.Position
	path    []string
	notes   []string // comments above it, one paragraph each
	entries []entry
}

// entry is a key with its value: a string, int, bool, time.Duration, a list of
// strings or of anything, or an inline table.
type entry struct {
	pos   config.Position
	key   string
	value any
	note  string // a comment behind it
}

type (
	inline []entry // a table in one line
	list   []any
)

// table adds one.
func (d *document) table(pos config.Position, path ...string) *table {
	t := &table{pos: pos, path: path}
	d.tables = append(d.tables, t)
	return t
}

// one gives the table of a path, made if there is none yet.
func (d *document) one(pos config.Position, path ...string) *table {
	for _, t := range d.tables {
		if slices.Equal(t.path, path) {
			return t
		}
	}
	return d.table(pos, path...)
}

// thing is what a table belongs to: "virtual.http".
func (t *table) thing() string { return strings.Join(t.path[:min(2, len(t.path))], ".") }

// set gives a key its value, in place of one that it has.
func (t *table) set(pos config.Position, key string, value any, note ...string) {
	e := entry{pos, key, value, strings.Join(note, "")}
	if i := slices.IndexFunc(t.entries, func(e entry) bool { return e.key == key }); i >= 0 {
		t.entries[i] = e
		return
	}
	t.entries = append(t.entries, e)
}

// order is that of the tables in a file.
var order = []string{"director", "vip", "vrrp", "sync", "timeouts", "virtual", "notify"}

// width is where the lines of comments end; tab is where those behind a value
// begin.
const (
	width = 100
	tab   = 39
)

// print writes the file, and for each line the place that it was made of.
func (d *document) print() (string, []config.Position) {
	first := map[string]int{} // of the tables of one service, instance or receiver
	for i, t := range d.tables {
		if _, ok := first[t.thing()]; !ok {
			first[t.thing()] = i
		}
	}
	slices.SortStableFunc(d.tables, func(a, b *table) int {
		return cmp.Or(slices.Index(order, a.path[0])-slices.Index(order, b.path[0]), first[a.thing()]-first[b.thing()])
	})
	p := &printer{}
	for i, paragraph := range d.head {
		if i > 0 {
			p.line(config.Position{}, "#")
		}
		p.comment(config.Position{}, paragraph)
	}
	for _, t := range d.tables {
		p.line(t.pos, "")
		p.table(t)
	}
	return p.String(), p.origins
}

type printer struct {
	strings.Builder
	origins []config.Position
}

func (p *printer) line(pos config.Position, text string) {
	p.WriteString(text + "\n")
	p.origins = append(p.origins, pos)
}

func (p *printer) table(t *table) {
	for _, n := range t.notes {
		p.comment(t.pos, n)
	}
	keys := make([]string, len(t.path))
	for i, k := range t.path {
		keys[i] = key(k)
	}
	p.line(t.pos, "["+strings.Join(keys, ".")+"]")
	for _, e := range t.entries {
		p.entry(e)
	}
}

func (p *printer) entry(e entry) {
	text := key(e.key) + " = " + value(e.value)
	if items, ok := e.value.(list); ok && len(text) > width {
		p.line(e.pos, key(e.key)+" = [")
		for _, item := range items {
			p.line(e.pos, "    "+value(item)+",")
		}
		text = "]"
	}
	if e.note != "" {
		text = fmt.Sprintf("%-*s# %s", tab-1, text+" ", plain(e.note))
	}
	p.line(e.pos, text)
}

// comment writes a paragraph in lines.
func (p *printer) comment(pos config.Position, paragraph string) {
	text := "#"
	for _, w := range strings.Fields(plain(paragraph)) {
		if len(text)+1+len(w) > width && text != "#" {
			p.line(pos, text)
			text = "#"
		}
		text += " " + w
	}
	p.line(pos, text)
}

// plain takes out what a comment may not have: control characters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

func value(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case time.Duration:
		return quote(short(v))
	case []string:
		all := make(list, len(v))
		for i, s := range v {
			all[i] = s
		}
		return value(all)
	case list:
		words := make([]string, len(v))
		for i, item := range v {
			words[i] = value(item)
		}
		return "[" + strings.Join(words, ", ") + "]"
	case inline:
		words := make([]string, len(v))
		for i, e := range v {
			words[i] = key(e.key) + " = " + value(e.value)
		}
		return "{ " + strings.Join(words, ", ") + " }"
	}
	return fmt.Sprint(v)
}

// single is a list, or its only item without brackets.
func single(all list) any {
	if len(all) == 1 {
		return all[0]
	}
	return all
}

const bareKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

func key(s string) string {
	if s != "" && strings.Trim(s, bareKey) == "" {
		return s
	}
	return quote(s)
}

// quote writes a string: a literal one where a basic one would be full of escapes.
func quote(s string) string {
	control := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	if !control && strings.ContainsAny(s, `"\`) && !strings.Contains(s, "'") {
		return "'" + s + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// short writes a duration without the zeroes that Duration.String gives.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
