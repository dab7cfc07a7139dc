package cli

import (
	"bytes"
	"io"
	"regexp"
)

// The words that are painted on a terminal. They are written in capitals or begin
// their line, so that they stand out without colours too.
var (
	goodWords = regexp.MustCompile(`(?m)^WELL\b`)
	warnWords = regexp.MustCompile(`(?m)^DEGRADED\b|\bDRAINED( AND REMOVED)?\b|\bWEIGHT [0-9]+\b|\bTOO FEW UP\b|^LAST RELOAD REFUSED\b|^warning\b|\bflapping\b`)
	badWords  = regexp.MustCompile(`(?m)^BAD\b|\bDOWN\b|\bMISSING\b|\bNOT as configured\b|\bQUORUM LOST\b|\bNO DAEMON RUNS\b|^error\b|\bFAULT\b|\bPRESENT, but not active\b`)
)

// colours tells whether what is written goes to a person who wants colours
// (https://no-color.org).
func (e Env) colours() bool {
	return e.Getenv("NO_COLOR") == "" && e.Getenv("TERM") != "dumb" && isTerminal(e.Out)
}

// paint colours the words of a text that say how something is.
func paint(text []byte) []byte {
	for _, p := range []struct {
		words  *regexp.Regexp
		colour string
	}{{goodWords, "32"}, {warnWords, "33"}, {badWords, "31"}} {
		text = p.words.ReplaceAll(text, []byte("\x1b["+p.colour+";1m$0\x1b[0m"))
	}
	return text
}

// painted has a text written by print, with colours where they are wanted.
func (e Env) painted(print func(io.Writer) error) error {
	var b bytes.Buffer
	if err := print(&b); err != nil {
		return err
	}
	text := b.Bytes()
	if e.colours() {
		text = paint(text)
	}
	_, err := e.Out.Write(text)
	return err
}
