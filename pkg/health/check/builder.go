package check

import (
	"errors"
	"fmt"
	"regexp"
)

// FieldError is a problem with one field of a spec. Field is its name in the
// configuration.
type FieldError struct {
	Field   string
	Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// builder collects what compile finds: problems, and files to look at before
// the first run.
type builder struct {
	problems  []error
	preflight []func() error
}

func (b *builder) fail(field, format string, args ...any) {
	b.problems = append(b.problems, &FieldError{field, fmt.Sprintf(format, args...)})
}

func (b *builder) err() error { return errors.Join(b.problems...) }

// regexp compiles a regular expression, nil if there is none.
func (b *builder) regexp(field, expr string) *regexp.Regexp {
	if expr == "" {
		return nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		b.fail(field, "%v", err)
	}
	return re
}

// loginOnly tells which fields are of no use without a username.
func (b *builder) loginOnly(passwordFile, database string, tls bool, o TLSOptions) {
	if passwordFile != "" {
		b.fail("password_file", "needs username")
	}
	if database != "" {
		b.fail("database", "needs username")
	}
	if tls || o != (TLSOptions{}) {
		b.fail("tls", "needs username")
	}
}

func (c *compiled) Preflight() error {
	var errs []error
	for _, f := range c.preflight {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}
