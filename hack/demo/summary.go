package main

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// claim is something that lvsd promises, with what was measured.
type claim struct {
	text   string
	figure string
	ok     bool
}

// claim notes for the summary whether something held.
func (d *demo) claim(ok bool, text, figure string, args ...any) {
	d.claims = append(d.claims, claim{text: text, figure: fmt.Sprintf(figure, args...), ok: ok})
}

// summarize prints every claim with its figure and tells whether all held.
func (d *demo) summarize() bool {
	d.out.title("Summary")
	d.out.gap()
	width, failed := 0, 0
	for _, c := range d.claims {
		width = max(width, utf8.RuneCountInString(c.text))
		if !c.ok {
			failed++
		}
	}
	for _, c := range d.claims {
		d.out.verdict(c, width)
	}
	d.out.gap()
	if failed > 0 {
		d.out.say("%d of %d claims did not hold.", failed, len(d.claims))
		return false
	}
	d.out.say("All %d claims held, in %s.", len(d.claims), tenths(time.Since(d.began)))
	return true
}

// tenths writes a duration as a reader wants it: milliseconds below a second,
// tenths of a second above.
func tenths(t time.Duration) time.Duration {
	if t < time.Second {
		return t.Round(time.Millisecond)
	}
	return t.Round(100 * time.Millisecond)
}
