package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// An event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

type counts struct{ passed, failed, skipped int }

func (c *counts) add(d counts) {
	c.passed += d.passed
	c.failed += d.failed
	c.skipped += d.skipped
}

func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

type testKey struct{ pkg, test string }

// A printer turns events back into what go test prints, and counts.
type printer struct {
	w       io.Writer
	verbose bool
	counts  counts
	// output holds what running tests have said. Only that of those that fail or skip is shown, or shown once more at the end if all is.
	output map[testKey]*strings.Builder
	again  []string
	// failures counts the failed tests of a package: a package that fails without one has not compiled, crashed, or leaked.
	failures map[string]int
}

func newPrinter(w io.Writer, verbose bool) *printer {
	return &printer{w: w, verbose: verbose, output: map[testKey]*strings.Builder{}, failures: map[string]int{}}
}

// read prints events until r ends. A line that is none is printed as it is.
func (p *printer) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			p.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read test events: %w", err)
		}
	}
}

func (p *printer) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil || e.Action == "" {
		io.WriteString(p.w, line)
		return
	}
	key := testKey{e.Package, e.Test}
	switch e.Action {
	case "output", "build-output":
		p.say(key, e.Output)
	case "pass":
		p.end(key, &p.counts.passed, false)
	case "skip":
		p.end(key, &p.counts.skipped, true)
	case "fail":
		if e.Test == "" && p.failures[e.Package] == 0 {
			p.counts.failed++
		}
		p.failures[e.Package]++
		p.end(key, &p.counts.failed, true)
		if e.Test == "" {
			p.unfinished(e.Package)
		}
	}
}

// say shows a line of output at once, or keeps it until the end of its test.
func (p *printer) say(key testKey, text string) {
	if !p.verbose && key.test == "" && text == "PASS\n" {
		return // go test without -v leaves it out
	}
	if p.verbose || key.test == "" {
		io.WriteString(p.w, text)
	}
	if key.test == "" {
		return
	}
	b := p.output[key]
	if b == nil {
		b = new(strings.Builder)
		p.output[key] = b
	}
	b.WriteString(text)
}

// unfinished shows what the tests have said that a package's end cut short: a panic, a time-out.
func (p *printer) unfinished(pkg string) {
	for _, key := range slices.SortedFunc(maps.Keys(p.output), func(a, b testKey) int { return strings.Compare(a.test, b.test) }) {
		if key.pkg == pkg {
			p.show(key)
			delete(p.output, key)
		}
	}
}

// end counts the end of a test, not of a package.
func (p *printer) end(key testKey, count *int, show bool) {
	if key.test == "" {
		return
	}
	*count++
	if show {
		p.show(key)
	}
	delete(p.output, key)
}

// show shows what a test has said that did not pass: at once, or at the end if it was shown when it was said.
func (p *printer) show(key testKey) {
	b := p.output[key]
	switch {
	case b == nil:
	case p.verbose:
		p.again = append(p.again, abridge(b.String()))
	default:
		io.WriteString(p.w, b.String())
	}
}

// abridge leaves out the middle of a long text.
func abridge(text string) string {
	const first, last = 40, 20
	lines := strings.SplitAfter(text, "\n")
	if len(lines) <= first+last+1 {
		return text
	}
	gap := fmt.Sprintf("    [… %d lines, shown above]\n", len(lines)-first-last)
	return strings.Join(slices.Concat(lines[:first], []string{gap}, lines[len(lines)-last:]), "")
}
