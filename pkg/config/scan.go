package config

import (
	"errors"
	"strings"
)

// maxDepth is how deep tables and lists may lie in each other. The language
// needs five levels; the bound keeps a hostile file from costing much.
const maxDepth = 16

var (
	errDeep   = errors.New("tables or lists lie too deep in each other")
	errSyntax = errors.New("not TOML")
)

// scanner finds the places of all keys of a text that is valid TOML. In any
// other text it stops with errSyntax somewhere: saying what is wrong is left
// to the decoder.
type scanner struct {
	text string
	off  int
}

// scan gives the places in a text. errDeep comes with the offset where it got
// too deep.
func scan(text string) (*place, int, error) {
	s := &scanner{text: text, off: len(bom(text))}
	root := &place{}
	err := s.document(root)
	return root, s.off, err
}

// bom is the byte order mark that a text begins with, if it does.
func bom(text string) string {
	const mark = "\xef\xbb\xbf"
	if strings.HasPrefix(text, mark) {
		return mark
	}
	return ""
}

func (s *scanner) document(root *place) error {
	table := root
	for {
		s.skipBlank()
		switch {
		case s.off == len(s.text):
			return nil
		case s.text[s.off] == '[':
			t, err := s.header(root)
			if err != nil {
				return err
			}
			table = t
		default:
			if err := s.pair(table, 0); err != nil {
				return err
			}
		}
	}
}

// header reads [a.b] or [[a.b]] and gives the place whose keys follow.
func (s *scanner) header(root *place) (*place, error) {
	list := strings.HasPrefix(s.text[s.off:], "[[")
	s.off++
	if list {
		s.off++
	}
	parts, err := s.key()
	if err != nil {
		return nil, err
	}
	if !s.take("]") || list && !s.take("]") {
		return nil, errSyntax
	}
	p := root
	for _, part := range parts {
		p = p.last().child(part.name, part.offset)
	}
	end := parts[len(parts)-1].offset
	if list {
		p.items = append(p.items, &place{key: end, value: end})
		return p.last(), nil
	}
	p.key, p.value = end, end
	return p, nil
}

// pair reads key = value.
func (s *scanner) pair(table *place, depth int) error {
	parts, err := s.key()
	if err != nil {
		return err
	}
	if !s.take("=") {
		return errSyntax
	}
	for _, part := range parts {
		table = table.child(part.name, part.offset)
	}
	s.skipSpace()
	return s.value(table, depth+1)
}

func (s *scanner) value(p *place, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	p.value = s.off
	switch {
	case s.off == len(s.text):
		return errSyntax
	case s.take("["):
		return s.list(p, depth)
	case s.take("{"):
		p.inline = true
		return s.inline(p, depth)
	case s.text[s.off] == '"' || s.text[s.off] == '\'':
		return s.str()
	}
	// Numbers, dates and words hold none of these bytes.
	n := strings.IndexAny(s.text[s.off:], ",]}#\n")
	if n < 0 {
		n = len(s.text) - s.off
	}
	s.off += n
	return nil
}

func (s *scanner) list(p *place, depth int) error {
	for {
		s.skipBlank()
		if s.take("]") {
			return nil
		}
		item := &place{key: s.off}
		p.items = append(p.items, item)
		if err := s.value(item, depth+1); err != nil {
			return err
		}
		s.skipBlank()
		if !s.take(",") && !s.at(']') {
			return errSyntax
		}
	}
}

func (s *scanner) inline(p *place, depth int) error {
	for {
		s.skipBlank()
		if s.take("}") {
			return nil
		}
		if err := s.pair(p, depth); err != nil {
			return err
		}
		s.skipBlank()
		if !s.take(",") && !s.at('}') {
			return errSyntax
		}
	}
}

// str skips a string of any of the four kinds.
func (s *scanner) str() error {
	quote := s.text[s.off : s.off+1]
	if long := strings.Repeat(quote, 3); s.take(long) {
		return s.skipTo(long)
	}
	s.off++
	return s.skipTo(quote)
}

// skipTo skips the rest of a string and the quotes that end it.
func (s *scanner) skipTo(end string) error {
	for s.off < len(s.text) {
		switch {
		case s.text[s.off] == '\\' && end[0] == '"':
			s.off += 2
		case s.take(end):
			// Up to two quotes may stand just before the three that end.
			for i := 0; i < 2 && len(end) == 3 && s.at(end[0]); i++ {
				s.off++
			}
			return nil
		default:
			s.off++
		}
	}
	s.off = len(s.text)
	return errSyntax
}

func (s *scanner) at(c byte) bool { return s.off < len(s.text) && s.text[s.off] == c }

// take skips a text if it comes next.
func (s *scanner) take(text string) bool {
	if !strings.HasPrefix(s.text[s.off:], text) {
		return false
	}
	s.off += len(text)
	return true
}

func (s *scanner) skipSpace() {
	for s.at(' ') || s.at('\t') {
		s.off++
	}
}

// skipBlank skips spaces, line ends and comments.
func (s *scanner) skipBlank() {
	for {
		switch {
		case s.at(' ') || s.at('\t') || s.at('\n') || s.at('\r'):
			s.off++
		case s.at('#'):
			n := strings.IndexByte(s.text[s.off:], '\n')
			if n < 0 {
				s.off = len(s.text)
				return
			}
			s.off += n
		default:
			return
		}
	}
}
