package main

import (
	"regexp"
	"strings"
)

var (
	rule  = regexp.MustCompile(`^# -{10,}$`)
	key   = regexp.MustCompile(`^(# )?("[^"]+"|[a-z_0-9.]+) = `)
	table = regexp.MustCompile(`^\[`)
)

// filePage makes a page of a commented file: its tables are subsections, and each
// key stands above its comment. The lines of keys stay as they are in the file.
func filePage(e edition, name, about, text string) string {
	p := newPage(e, name, "5", about)
	p.heading("DESCRIPTION")
	tables := false
	for _, part := range parts(text) {
		if part.table != "" && !tables {
			tables = true
			p.heading("TABLES AND KEYS")
		}
		if part.table != "" {
			p.WriteString(".Ss " + part.table + "\\&\n")
		}
		if len(part.keys) == 0 {
			p.paragraphs(part.comment)
			continue
		}
		p.WriteString(".Bl -tag -width indent\n")
		for _, k := range part.keys {
			p.macro("It", "Li", k)
		}
		p.prose(part.comment)
		p.WriteString(".El\n")
	}
	p.heading("SEE ALSO")
	p.macro("Xr", "lvsd", "8")
	return p.String()
}

// paragraphs writes prose that other prose may precede.
func (p *page) paragraphs(text string) {
	if text == "" {
		return
	}
	if !endsInHeading(p.String()) {
		p.WriteString(".Pp\n")
	}
	p.prose(text)
}

func endsInHeading(s string) bool {
	s = strings.TrimSuffix(s, "\n")
	last := s[strings.LastIndexByte(s, '\n')+1:]
	return strings.HasPrefix(last, ".Sh") || strings.HasPrefix(last, ".Ss")
}

// part is a comment with the table or the keys that it stands above.
type part struct {
	table   string
	comment string
	keys    []string
}

// parser takes a commented file apart, line by line.
type parser struct {
	all   []part
	now   part
	intro bool // what comes is about the next table
	open  bool // between the quotes of a value of several lines
}

func parts(text string) []part {
	var p parser
	for line := range strings.Lines(text) {
		p.line(strings.TrimSuffix(line, "\n"))
	}
	p.flush()
	return p.all
}

func (p *parser) line(line string) {
	switch {
	case p.open || key.MatchString(line):
		p.open = p.open != (strings.Count(line, quotes)%2 == 1)
		p.now.keys = append(p.now.keys, line)
	case rule.MatchString(line):
		p.flush()
		p.intro = true
	case line == "" && p.intro:
		p.now.comment += "\n"
	case line == "":
		p.flush()
	case table.MatchString(line):
		p.now.table, p.intro = line, false
		p.flush()
	case strings.HasPrefix(line, "#"):
		if p.now.keys != nil {
			p.flush()
		}
		p.now.comment += strings.TrimPrefix(strings.TrimPrefix(line, "#"), " ") + "\n"
	}
}

// quotes begin and end a text of several lines.
const quotes = "'''"

func (p *parser) flush() {
	if p.now.table != "" || p.now.comment != "" || p.now.keys != nil {
		p.all = append(p.all, p.now)
	}
	p.now = part{}
}
