// Package importer turns the configuration of another program into a
// director.toml that does the same.
//
// It is text in and text out: ldirectord.cf, keepalived.conf, what ipvsadm -Sn
// prints, or heartbeat's ha.cf with haresources. Whatever of it lvsd does not have
// is a Remark with its place, its reason and what to do instead, and stands as a
// comment where it would have been; nothing is dropped in silence. Where a peer's
// default differs from lvsd's it is written out.
package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lvsd/lvsd/pkg/config"
)

// File is a text with the name that positions give it.
type File struct{ Name, Text string }

// Remark is something that could not be carried over as it was, or that should be
// looked at.
type Remark struct {
	Position config.Position
	Text     string
}

func (r Remark) String() string { return r.Position.String() + ": " + r.Text }

// Result is a director.toml.
type Result struct {
	TOML    string
	Remarks []Remark // in the order of their positions

	origins []config.Position // of each line of TOML
}

// Check holds the result against all rules of lvsd's own file. What they refuse is
// an Errors with the places in the peer's file. What only this machine refuses, a
// host name that it cannot resolve or a program that it has not, becomes a Remark:
// the file may be for another one.
func (r *Result) Check(ctx context.Context, resolver config.Resolver) error {
	_, err := config.Parse(ctx, "director.toml", r.TOML, resolver)
	var all config.Errors
	if !errors.As(err, &all) {
		return err
	}
	var refused config.Errors
	for _, e := range all {
		at := r.origin(e.Position.Line)
		if e.Err != nil {
			r.Remarks = append(r.Remarks, Remark{at, e.Message + ": lvsd validate refuses the file on this machine"})
			continue
		}
		refused = append(refused, &config.Error{Position: at, Message: e.Message, Expected: e.Expected})
	}
	sortRemarks(r.Remarks)
	if len(refused) > 0 {
		return sorted(refused)
	}
	return nil
}

// origin is the place that a line was made of, or the nearest before it.
func (r *Result) origin(line int) config.Position {
	for i := min(line, len(r.origins)) - 1; i >= 0; i-- {
		if r.origins[i].Line > 0 {
			return r.origins[i]
		}
	}
	return config.Position{}
}

func sortRemarks(all []Remark) {
	slices.SortStableFunc(all, func(a, b Remark) int { return a.Position.Compare(b.Position) })
}

func sorted(all config.Errors) config.Errors {
	slices.SortStableFunc(all, func(a, b *config.Error) int {
		return cmp.Or(a.Position.Compare(b.Position), strings.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(all, func(a, b *config.Error) bool { return a.Position == b.Position && a.Message == b.Message })
}

// finish gives what a document became, or everything that is wrong with what it
// was made of.
func (d *document) finish() (*Result, error) {
	if len(d.errs) > 0 {
		return nil, sorted(d.errs)
	}
	text, origins := d.print()
	sortRemarks(d.remarks)
	return &Result{TOML: text, Remarks: d.remarks, origins: origins}, nil
}

// text tells whether a file is one, and else says so.
func (d *document) text(f File) bool {
	if strings.IndexByte(f.Text, 0) < 0 && utf8.ValidString(f.Text) {
		return true
	}
	d.fail(config.Position{File: f.Name}, "UTF-8 without NUL bytes", "not a text file")
	return false
}

// fail adds a mistake of the peer's file.
func (d *document) fail(pos config.Position, expected, format string, args ...any) {
	d.errs = append(d.errs, &config.Error{Position: pos, Message: fmt.Sprintf(format, args...), Expected: expected})
}

// tell adds a remark, and a comment above a table unless that is nil.
func (d *document) tell(pos config.Position, t *table, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.remarks = append(d.remarks, Remark{pos, text})
	if t != nil {
		t.notes = append(t.notes, fmt.Sprintf("%s:%d: %s.", path.Base(pos.File), pos.Line, text))
	}
}
