package check

import (
	"maps"
	"slices"
)

// kinds is every kind of check by its word in the configuration.
var kinds = map[string]struct {
	blank    func() Spec
	portless bool
}{
	"on":       {func() Spec { return &On{} }, true},
	"off":      {func() Spec { return &Off{} }, true},
	"tcp":      {func() Spec { return &TCP{} }, false},
	"udp":      {func() Spec { return &UDP{} }, false},
	"http":     {func() Spec { return &HTTP{} }, false},
	"https":    {func() Spec { return &HTTPS{} }, false},
	"tls":      {func() Spec { return &TLS{} }, false},
	"icmp":     {func() Spec { return &ICMP{} }, true},
	"dns":      {func() Spec { return &DNS{} }, false},
	"smtp":     {func() Spec { return &SMTP{} }, false},
	"grpc":     {func() Spec { return &GRPC{} }, false},
	"redis":    {func() Spec { return &Redis{} }, false},
	"mysql":    {func() Spec { return &MySQL{} }, false},
	"postgres": {func() Spec { return &Postgres{} }, false},
	"exec":     {func() Spec { return &Exec{} }, true},
}

// Kinds lists the words of every kind of check, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// Blank gives the spec of a kind with nothing set, to decode a table of the
// configuration into.
func Blank(kind string) (Spec, bool) {
	k, ok := kinds[kind]
	if !ok {
		return nil, false
	}
	return k.blank(), true
}

// NeedsPort tells whether a check of this kind needs a port of its target.
func NeedsPort(kind string) bool {
	k, ok := kinds[kind]
	return ok && !k.portless
}
