package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file. Lines and columns count from 1, columns in
// bytes as compilers count them; a file as a whole has line 0.
type Position struct {
	File         string
	Line, Column int
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Compare orders positions by file, line and column.
func (p Position) Compare(o Position) int {
	return cmp.Or(
		strings.Compare(p.File, o.File),
		cmp.Compare(p.Line, o.Line),
		cmp.Compare(p.Column, o.Column),
	)
}

// Error is one problem of a configuration.
type Error struct {
	Position Position
	Message  string // what is wrong
	Expected string // what would be accepted, or ""
	Err      error  // the cause if the system refused something, or nil
}

func (e *Error) Error() string {
	s := e.Position.String() + ": " + e.Message
	if e.Expected != "" {
		s += "; expected " + e.Expected
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors is every problem of a configuration, in the order of their positions.
type Errors []*Error

// Error gives one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the problems one by one.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, err := range e {
		errs[i] = err
	}
	return errs
}

// problems collects errors while the files are read.
type problems struct{ list Errors }

func (p *problems) add(at Position, expected, format string, args ...any) {
	p.list = append(p.list, &Error{Position: at, Message: clip(fmt.Sprintf(format, args...)), Expected: expected})
}

// clip shortens a message that quotes too much of a file.
func clip(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// addCause adds what the system refused.
func (p *problems) addCause(at Position, err error, format string, args ...any) {
	message := fmt.Sprintf(format, args...) + ": " + err.Error()
	p.list = append(p.list, &Error{Position: at, Message: message, Err: err})
}

// err gives the problems in order, each once, or nil if there are none. One
// value of [defaults] that is wrong is wrong for every service.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b *Error) int {
		return cmp.Or(a.Position.Compare(b.Position), strings.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(p.list, func(a, b *Error) bool {
		return a.Position == b.Position && a.Message == b.Message
	})
}
