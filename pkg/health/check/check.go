// Package check asks one server once whether it serves: one file for each kind
// of check. A Spec is what the configuration says, New makes a Check of it, and
// Run gives a Result in words that a person understands at three in the
// morning. The context's deadline is the one deadline of a whole check, so a
// server that sends one byte a second fails. What is read is bounded, and
// nothing of a check outlives Run: no goroutine, descriptor or process.
package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// Spec is the configuration of one kind of check: a pointer to one of this
// package's structs, whose zero values are the defaults.
type Spec interface {
	// Kind is the word that the configuration has for the kind, as in Kinds.
	Kind() string

	// compile checks every field and makes the probe of them; it does no I/O.
	compile(b *builder) probe
}

// Target is where a check goes.
type Target struct {
	Address netip.Addr
	Port    uint16     // unused by the kinds for which NeedsPort is false
	Source  netip.Addr // local address; the zero Addr lets the kernel choose
	Mark    uint32     // SO_MARK of every packet; 0 is none
	Names   Names
}

// Names are what the configuration calls a target. Only exec passes them on;
// every other kind is the same check whatever the names are.
type Names struct {
	Service string
	Server  string
	VIP     netip.AddrPort // zero with a firewall mark
}

// String is the address, with the port if there is one.
func (t Target) String() string {
	if t.Port == 0 {
		return t.Address.String()
	}
	return t.addrPort().String()
}

func (t Target) addrPort() netip.AddrPort { return netip.AddrPortFrom(t.Address, t.Port) }

// Result is the outcome of one check.
type Result struct {
	OK       bool          `json:"ok"`
	Error    string        `json:"error,omitempty"`   // why not OK, in words
	Unasked  bool          `json:"unasked,omitempty"` // the host could not ask, so that it says nothing of the server
	Duration time.Duration `json:"duration"`
	Weight   *int32        `json:"weight,omitempty"` // exec with dynamic_weight only: the weight that the server asks for
	Output   string        `json:"output,omitempty"` // exec only: the beginning of what the program wrote
}

// Check is a check that is ready to run. It is safe for concurrent use.
type Check interface {
	// Run asks the target once. The context must have a deadline; Run returns
	// soon after it at the latest.
	Run(ctx context.Context, t Target) Result

	// Preflight looks at the files that the check needs (certificates, secrets,
	// the program), so that a wrong path is found when a configuration is
	// loaded and not as a failure of every server.
	Preflight() error
}

// New makes the check of a spec. Its error joins a FieldError for each problem.
func New(s Spec) (Check, error) {
	var b builder
	p := s.compile(&b)
	if err := b.err(); err != nil {
		return nil, err
	}
	return &compiled{probe: p, preflight: b.preflight}, nil
}

// Key is equal for two checks that ask the same of the same target.
func Key(s Spec, t Target) string {
	if _, ok := s.(*Exec); !ok {
		t.Names = Names{}
	}
	// Structs of strings, numbers, lists and maps: it cannot fail, and keys of
	// maps come sorted.
	spec, _ := json.Marshal(s)
	key := fmt.Sprintf("%s %s %s", s.Kind(), t.addrPort(), spec)
	if t.Source.IsValid() {
		key += " source " + t.Source.String()
	}
	if t.Mark != 0 {
		key += fmt.Sprintf(" mark %#x", t.Mark)
	}
	if t.Names != (Names{}) {
		key += fmt.Sprintf(" for %q/%q %s", t.Names.Service, t.Names.Server, t.Names.VIP)
	}
	return key
}

// probe asks a target once; its error says what was attempted and what came.
type probe func(ctx context.Context, t Target) (answer, error)

// answer is what a probe that succeeded or failed brings besides its error.
type answer struct {
	output string
	weight *int32
}

// simple makes a probe of a function that has nothing to tell but its error.
func simple(f func(ctx context.Context, t Target) error) probe {
	return func(ctx context.Context, t Target) (answer, error) { return answer{}, f(ctx, t) }
}

type compiled struct {
	probe     probe
	preflight []func() error
}

func (c *compiled) Run(ctx context.Context, t Target) Result {
	start := time.Now()
	a, err := c.probe(ctx, t)
	r := Result{OK: err == nil, Duration: time.Since(start), Weight: a.weight, Output: a.output}
	if err != nil {
		r.Error, r.Unasked = printable(err.Error()), unasked(err)
		r.Weight = nil
	}
	return r
}
