package main

import (
	"fmt"
	"io"
	"strings"
)

// printer writes for a reader: headings, commands with their output below, and
// sentences. Without colour the text is the same.
type printer struct {
	w      io.Writer
	colour bool
	number int // of the last heading
}

// ANSI escape sequences (ECMA-48, select graphic rendition).
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	cyan  = "\x1b[36m"
	plain = "\x1b[0m"
)

// in colours a text that has no line break.
func (p *printer) in(style, text string) string {
	if !p.colour {
		return text
	}
	return style + text + plain
}

func (p *printer) line(text string) { fmt.Fprintln(p.w, strings.TrimRight(text, " ")) }

func (p *printer) title(format string, args ...any) {
	p.line("")
	p.line(p.in(bold, fmt.Sprintf(format, args...)))
}

// heading begins a step.
func (p *printer) heading(text string) {
	p.number++
	p.line("")
	p.line(p.in(bold, fmt.Sprintf("%d  %s", p.number, text)))
	p.line("")
}

// say writes sentences; the caller breaks the lines.
func (p *printer) say(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		p.line("   " + strings.TrimSuffix(line, "\n"))
	}
}

// command shows what is run where, as a root shell would.
func (p *printer) command(host string, words ...string) {
	p.line("   " + p.in(dim, host+"#") + " " + p.in(cyan, strings.Join(words, " ")))
}

// output shows what a command or a file says.
func (p *printer) output(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		p.line("     " + strings.TrimSuffix(line, "\n"))
	}
}

// gap parts a command's output from what comes next.
func (p *printer) gap() { p.line("") }

// verdict is one line of the summary: its figures stand below each other.
func (p *printer) verdict(c claim, width int) {
	word, style := "ok", green
	if !c.ok {
		word, style = "FAILED", red
	}
	first, more, _ := strings.Cut(c.figure, "\n")
	p.line(fmt.Sprintf("   %s  %-*s  %s", p.in(style, fmt.Sprintf("%-6s", word)), width, c.text, first))
	if more != "" {
		p.output(more)
	}
}
