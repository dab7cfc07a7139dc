package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// page collects a manual page in the language of mdoc(7).
type page struct{ strings.Builder }

// newPage begins a page: date, title and section at its edges, and its NAME.
func newPage(e edition, title, section, about string) *page {
	p := &page{}
	p.macro("Dd", e.day.Format("January 2, 2006"))
	p.WriteString(".Dt " + strings.ToUpper(title) + " " + section + "\n")
	p.macro("Os", "lvsd", e.version)
	p.heading("NAME")
	p.WriteString(".Nm " + title + "\n")
	p.WriteString(".Nd " + strings.Join(words(inline(about)), " ") + "\n")
	return p
}

// macro writes a line of a macro with its arguments.
func (p *page) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, a := range args {
		p.WriteString(" " + argument(a))
	}
	p.WriteByte('\n')
}

func (p *page) heading(text string) { p.macro("Sh", strings.Fields(text)...) }

// prose writes paragraphs. Indented lines of them stay as they are.
func (p *page) prose(text string) {
	begun := false
	for _, block := range blocks(text) {
		switch {
		case block.literal:
			p.literal(block.lines)
			continue
		case begun:
			p.WriteString(".Pp\n")
		}
		begun = true
		p.text(strings.Join(block.lines, " "))
	}
}

// lineLength is that of the source, for which mandoc(1) asks.
const lineLength = 76

var sentence = regexp.MustCompile(`([.?!][)"]*) +([A-Z])`)

// text writes a paragraph: each sentence begins a line, as mdoc(7) wants it.
func (p *page) text(paragraph string) {
	for line := range strings.Lines(sentence.ReplaceAllString(paragraph, "$1\n$2") + "\n") {
		length := 0
		for i, word := range strings.Fields(line) {
			switch {
			case i == 0:
				word = escape(word)
			case length+len(word) > lineLength:
				p.WriteByte('\n')
				word, length = escape(word), 0
			default:
				p.WriteByte(' ')
				word = inline(word)
			}
			p.WriteString(word)
			length += len(word) + 1
		}
		p.WriteByte('\n')
	}
}

// literal writes lines as they are.
func (p *page) literal(lines []string) {
	p.WriteString(".Bd -literal -offset indent\n")
	for _, l := range lines {
		fmt.Fprintln(p, escape(l))
	}
	p.WriteString(".Ed\n")
}

// block is a paragraph, or lines whose form has a meaning.
type block struct {
	lines   []string
	literal bool
}

// blocks takes a text apart. A blank line between indented ones belongs to them.
func blocks(text string) []block {
	var all []block
	gap := true
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		if strings.TrimSpace(line) == "" {
			gap = true
			continue
		}
		literal := strings.HasPrefix(line, "  ")
		last := len(all) - 1
		switch {
		case last < 0 || all[last].literal != literal || gap && !literal:
			all = append(all, block{literal: literal})
			last++
		case gap:
			all[last].lines = append(all[last].lines, "")
		}
		all[last].lines = append(all[last].lines, strings.TrimPrefix(line, "  "))
		gap = false
	}
	return all
}

// escape writes text so that nothing in it is a request or an escape of roff, and
// no dash becomes a hyphen that cannot be copied.
func escape(line string) string {
	line = inline(line)
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

// inline is escape for what does not begin a line.
func inline(text string) string { return escapes.Replace(text) }

var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", "\\(ga", "'", `\(aq`, "~", `\(ti`, "^", `\(ha`)

// argument writes one argument of a macro.
func argument(text string) string {
	text = strings.ReplaceAll(inline(text), `"`, `\(dq`)
	if strings.Contains(text, " ") {
		return `"` + text + `"`
	}
	return text
}

// words writes the words of a text as arguments of a macro that would take some
// of them for macros.
func words(text string) []string {
	all := strings.Fields(text)
	for i, w := range all {
		if len(w) <= 3 && unicode.IsUpper(rune(w[0])) {
			all[i] = `\&` + w
		}
	}
	return all
}
