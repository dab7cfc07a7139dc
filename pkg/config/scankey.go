package config

import (
	"strconv"
	"strings"
)

// part is one part of a dotted key.
type part struct {
	name   string
	offset int
}

// key reads a key of one or more parts and the blanks around them.
func (s *scanner) key() ([]part, error) {
	var parts []part
	for {
		s.skipSpace()
		p := part{offset: s.off}
		name, err := s.keyPart()
		if err != nil {
			return nil, err
		}
		p.name = name
		parts = append(parts, p)
		if len(parts) > maxDepth {
			return nil, errDeep
		}
		s.skipSpace()
		if !s.take(".") {
			return parts, nil
		}
	}
}

func (s *scanner) keyPart() (string, error) {
	start := s.off
	if s.at('"') || s.at('\'') {
		s.off++
		if err := s.skipTo(s.text[start : start+1]); err != nil {
			return "", err
		}
		name := s.text[start+1 : s.off-1]
		if s.text[start] == '"' {
			name = unescape(name)
		}
		return name, nil
	}
	for s.off < len(s.text) && bare(s.text[s.off]) {
		s.off++
	}
	if s.off == start {
		return "", errSyntax
	}
	return s.text[start:s.off], nil
}

func bare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

var escapes = map[byte]string{'b': "\b", 't': "\t", 'n': "\n", 'f': "\f", 'r': "\r", 'e': "\x1b", '"': "\"", '\\': "\\"}

// unescape replaces the escapes of a "quoted" key.
func unescape(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found || after == "" {
			return b.String()
		}
		n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[after[0]]
		if len(after) <= n {
			return b.String()
		}
		if r, err := strconv.ParseUint(after[1:1+n], 16, 32); err == nil {
			b.WriteRune(rune(r))
		} else {
			b.WriteString(escapes[after[0]])
		}
		s = after[1+n:]
	}
}
