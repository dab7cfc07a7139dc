package importer

import (
	"fmt"
	"path"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
)

// Include gives the files that the pattern of an include names, which is relative
// to the file that has it.
type Include func(pattern, from string) ([]File, error)

// token is a word, a brace, or the end of a line.
type token struct {
	pos  config.Position
	kind tokenKind
	text string
}

type tokenKind int

const (
	wordToken tokenKind = iota
	openToken
	closeToken
	endToken
)

// node is a statement: a word, its arguments, and what stands in braces behind.
type node struct {
	token
	args  []token
	block []*node
	open  config.Position // of the brace; the zero one without a block
}

// arg is an argument, "" if there are not so many.
func (n *node) arg(i int) string {
	if i < len(n.args) {
		return n.args[i].text
	}
	return ""
}

// at is where an argument stands, or the word.
func (n *node) at(i int) config.Position {
	if i < len(n.args) {
		return n.args[i].pos
	}
	return n.pos
}

// words are the arguments from one on.
func (n *node) words(from int) []string {
	var all []string
	for _, a := range n.args[min(from, len(n.args)):] {
		all = append(all, a.text)
	}
	return all
}

// line is a line of a file, with its definitions put in.
type line struct {
	pos    config.Position
	text   string
	column int // bytes before the text; -1 where columns have no meaning any more
}

// Bounds of what a file may become, for definitions may hold each other.
const (
	maxIncludes = 16
	maxLines    = 200_000
	maxNesting  = 20
)

// keepalivedReader makes lines of files: comments, include, definitions,
// conditional lines.
type keepalivedReader struct {
	*document
	include Include
	defined map[string][]string // the lines of a definition
	lines   []line
	deep    int
}

var (
	definition  = patternOf(`^\s*\$([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)
	reference   = patternOf(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)(?:\s|$))`)
	conditional = patternOf(`^\s*(@\^?[^\s]+)\s+(.*)$`)
	included    = patternOf(`^\s*include[rmwba]?\s+(.*?)\s*$`)
)

func (r *keepalivedReader) read(f File) {
	if !r.text(f) {
		return
	}
	number := 0
	name, value := "", []string(nil) // of a definition of several lines
	for text := range strings.Lines(f.Text) {
		number++
		pos := config.Position{File: f.Name, Line: number, Column: 1}
		text = strings.TrimRight(uncomment(strings.TrimRight(text, "\r\n")), " \t")
		rest, more := strings.CutSuffix(text, `\`)
		switch m := definition().FindStringSubmatch(rest); {
		case name != "":
			value = append(value, rest)
		case m != nil && more:
			name, value = m[1], nil
			if first := strings.TrimSpace(m[2]); first != "" {
				value = []string{first}
			}
		case m != nil:
			r.defined[m[1]] = []string{m[2]}
			continue
		default:
			r.line(f, line{pos: pos, text: text})
			continue
		}
		if !more {
			r.defined[name] = value
			name = ""
		}
	}
	if name != "" {
		r.defined[name] = value
	}
}

// line takes one that is no definition.
func (r *keepalivedReader) line(f File, l line) {
	if m := included().FindStringSubmatch(l.text); m != nil {
		r.follow(f, l, strings.Trim(m[1], `"'`))
		return
	}
	r.expand(f, l, 0)
}

// follow reads included files in place.
func (r *keepalivedReader) follow(f File, l line, pattern string) {
	if r.include == nil || r.deep >= maxIncludes {
		r.tell(l.pos, nil, "include: %s is not read here: import that file too, or put it in this place", pattern)
		return
	}
	files, err := r.include(pattern, f.Name)
	if err != nil {
		r.fail(l.pos, "a file that can be read", "include %s: %v", pattern, err)
		return
	}
	if len(files) == 0 {
		r.tell(l.pos, nil, "include: no file is called %s", pattern)
	}
	r.deep++
	for _, f := range files {
		r.read(f)
	}
	r.deep--
}

// expand puts in definitions until there are none, and takes the line.
func (r *keepalivedReader) expand(f File, l line, depth int) {
	if strings.Contains(l.text, "~SEQ") || strings.Contains(l.text, "~LST") {
		r.fail(l.pos, "the lines written out", "~SEQ and ~LST are not understood")
		return
	}
	if m := conditional().FindStringSubmatch(l.text); m != nil && !strings.Contains(m[1], "$") {
		r.condition(l, m[1], m[2])
		return
	}
	if depth == maxNesting || len(r.lines) >= maxLines || len(l.text) > 64<<10 {
		r.fail(l.pos, fmt.Sprintf("at most %d levels and %d lines", maxNesting, maxLines), "the definitions hold too much")
		return
	}
	m := r.reference(l.text)
	if m == nil {
		r.lines = append(r.lines, l)
		return
	}
	for i, part := range r.defined[m.name] {
		if i == 0 {
			part = l.text[:m.from] + part
		}
		if i == len(r.defined[m.name])-1 {
			part += l.text[m.to:]
		}
		inner := line{l.pos, part, -1}
		if d := definition().FindStringSubmatch(part); d != nil {
			r.defined[d[1]] = []string{d[2]}
			continue
		}
		r.expand(f, inner, depth+1)
	}
}

// placeOf is where a definition is put in.
type placeOf struct {
	name     string
	from, to int
}

// reference finds the first reference to something that is defined.
func (r *keepalivedReader) reference(text string) *placeOf {
	for _, m := range reference().FindAllStringSubmatchIndex(text, -1) {
		from, to := m[2], m[3]
		end := m[1]
		if from < 0 {
			from, to = m[4], m[5]
			end = to
		}
		if name := text[from:to]; len(r.defined[name]) > 0 {
			return &placeOf{name, m[0], end}
		}
	}
	return nil
}

// condition leaves out a line that is for some hosts only: which one this is, is
// said on keepalived's command line.
func (r *keepalivedReader) condition(l line, word, rest string) {
	for _, x := range r.remarks {
		if x.Position == l.pos {
			return
		}
	}
	r.tell(l.pos, nil, "%s: left out: %q is for some hosts only (keepalived -i); write such lines without their first word for the one that "+
		"you import for", word, rest)
}

// uncomment takes a comment away: it begins with # or ! outside of quotes.
func uncomment(text string) string {
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#' || c == '!':
			return text[:i]
		}
	}
	return text
}

// tokens takes a line apart. Quotes belong to no word, and braces outside of them
// are tokens of their own, but for those of a reference that nothing defines.
func (d *document) tokens(l line) []token {
	var all []token
	var word strings.Builder
	start, open := 0, false
	quote := byte(0)
	at := func(i int) config.Position {
		pos := l.pos
		if l.column >= 0 {
			pos.Column = i + 1
		}
		return pos
	}
	end := func() {
		if open {
			all = append(all, token{at(start), wordToken, word.String()})
		}
		word.Reset()
		open = false
	}
	begin := func(i int) {
		if !open {
			start, open = i, true
		}
	}
	reference := false
	for i := 0; i < len(l.text); i++ {
		c := l.text[i]
		switch {
		case c == '\\' && i+1 < len(l.text):
			begin(i)
			i++
			word.WriteString(unescape(l.text[i]))
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			begin(i)
			quote = c
		case c == ' ' || c == '\t':
			end()
		case c == '{' && i > 0 && l.text[i-1] == '$', c == '}' && reference:
			reference = c == '{'
			begin(i)
			word.WriteByte(c)
		case c == '{':
			end()
			all = append(all, token{at(i), openToken, "{"})
		case c == '}':
			end()
			all = append(all, token{at(i), closeToken, "}"})
		default:
			begin(i)
			word.WriteByte(c)
		}
	}
	if quote != 0 {
		d.fail(at(start), "the quote closed on the same line", "a quote is open at the end of the line")
	}
	end()
	return append(all, token{at(len(l.text)), endToken, ""})
}

func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'r':
		return "\r"
	}
	return string(rune(c))
}

// parseKeepalived gives the statements of a file.
func parseKeepalived(d *document, f File, include Include) []*node {
	r := &keepalivedReader{document: d, include: include, defined: map[string][]string{"_PWD": {path.Dir(f.Name)}, "_HASH": {"#"}, "_BANG": {"!"}}}
	r.read(f)
	p := &keepalivedParser{document: d}
	for _, l := range r.lines {
		for _, t := range d.tokens(l) {
			p.take(t)
		}
	}
	for _, n := range p.stack {
		if n.kind == openToken {
			continue // told already: it has no name
		}
		d.fail(n.open, "}", "the block of %s is not closed", n.text)
	}
	return p.top
}

// keepalivedParser puts tokens together.
type keepalivedParser struct {
	*document
	top   []*node
	stack []*node // open blocks
	now   *node   // the statement that goes on
	last  *node   // the one before, whose block may open on the next line
}

func (p *keepalivedParser) take(t token) {
	switch t.kind {
	case wordToken:
		if p.now == nil {
			p.now = &node{token: t}
			p.add(p.now)
		} else {
			p.now.args = append(p.now.args, t)
		}
	case endToken:
		if p.now != nil {
			p.last, p.now = p.now, nil
		}
	case openToken:
		n := p.now
		if n == nil {
			n = p.last
		}
		p.now, p.last = nil, nil
		if n == nil || n.open.Line > 0 {
			p.fail(t.pos, "a word before it", "a block without a name")
			n = &node{token: t}
		}
		n.open = t.pos
		p.stack = append(p.stack, n)
	case closeToken:
		p.now, p.last = nil, nil
		if len(p.stack) == 0 {
			p.fail(t.pos, "no more }", "} closes nothing")
			return
		}
		p.stack = p.stack[:len(p.stack)-1]
	}
}

func (p *keepalivedParser) add(n *node) {
	if len(p.stack) == 0 {
		p.top = append(p.top, n)
		return
	}
	block := p.stack[len(p.stack)-1]
	block.block = append(block.block, n)
}
