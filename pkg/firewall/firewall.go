// Package firewall keeps lvsd's own iptables rules: the chains whose names begin
// with lvs.ChainPrefix, and the jumps to them from built-in chains. Nothing else
// is ever changed, and nothing is flushed.
//
// It uses the iptables and ip6tables of the machine, whichever variant (legacy
// or nft) they are, in the network namespace of the calling thread. Commands
// wait for the lock that other users of iptables hold, for a bounded time.
package firewall

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/coreos/go-iptables/iptables"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Table is one of the kernel's packet filter tables.
type Table struct {
	Family lvs.Family
	Name   string // nat, mangle, filter
}

// Tables gives the tables in which rules stand, sorted, each once.
func Tables(rules map[lvs.Rule]int) []Table {
	set := map[Table]bool{}
	for r := range rules {
		set[tableOf(r)] = true
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b Table) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Name, b.Name))
	})
}

func tableOf(r lvs.Rule) Table { return Table{Family: r.Family, Name: r.Table} }

// Firewall reads and changes lvsd's rules. It is for one goroutine at a time.
type Firewall struct {
	tools map[lvs.Family]*tool
}

// New returns a Firewall. The programs are looked up when they are first needed:
// a director without rules needs none, one without IPv6 rules no ip6tables.
func New() *Firewall { return &Firewall{tools: map[lvs.Family]*tool{}} }

func (f *Firewall) tool(family lvs.Family) (*tool, error) {
	if t, ok := f.tools[family]; ok {
		return t, nil
	}
	t, err := findTool(family)
	if err != nil {
		return nil, err
	}
	f.tools[family] = t
	return t, nil
}

// Rules lists lvsd's rules in the given tables, with how often each stands
// there, in the words of iptables -S. It costs one command for each table, and
// none for a table that iptables-legacy has not loaded: looking at it would load
// it, and with it connection tracking for every packet.
func (f *Firewall) Rules(tables []Table) (map[lvs.Rule]int, error) {
	all := map[lvs.Rule]int{}
	for _, t := range tables {
		rules, err := f.rulesOf(t)
		if err != nil {
			return nil, fmt.Errorf("list %s table %s: %w", t.Family, t.Name, commandError{err})
		}
		maps.Copy(all, rules)
	}
	return all, nil
}

func (f *Firewall) rulesOf(t Table) (map[lvs.Rule]int, error) {
	tool, err := f.tool(t.Family)
	if err != nil {
		return nil, err
	}
	if !tool.loaded(t.Name) {
		return nil, nil
	}
	listing, err := tool.list(t.Name)
	if err != nil {
		return nil, err
	}
	return parseListing(t, listing)
}

// Add puts the rule at the end of its chain. It makes that one, and the one that the
// rule leads to, if they are lvsd's own and missing. A jump goes to the beginning of
// its built-in chain, as other programs that keep chains of their own do it: behind
// somebody's ACCEPT or MASQUERADE it would never be reached. Adding a rule twice
// makes it stand there twice.
func (f *Firewall) Add(r lvs.Rule) error {
	args, err := check(r)
	if err != nil {
		return fmt.Errorf("add rule %s: %w", r, err)
	}
	tool, err := f.tool(r.Family)
	if err != nil {
		return fmt.Errorf("add rule %s: %w", r, err)
	}
	if err := tool.add(r, args); err != nil {
		return fmt.Errorf("add rule %s: %w", r, commandError{err})
	}
	return nil
}

// Delete removes the rule once, and then its own chain if that is empty and
// nothing leads to it any more. It is fs.ErrNotExist if there is no such rule.
func (f *Firewall) Delete(r lvs.Rule) error {
	args, err := check(r)
	if err != nil {
		return fmt.Errorf("delete rule %s: %w", r, err)
	}
	tool, err := f.tool(r.Family)
	if err != nil {
		return fmt.Errorf("delete rule %s: %w", r, err)
	}
	if err := tool.delete(r, args); err != nil {
		return fmt.Errorf("delete rule %s: %w", r, commandError{err})
	}
	return nil
}

// check takes the rule apart into arguments, and refuses what is not lvsd's.
func check(r lvs.Rule) ([]string, error) {
	args, err := split(r.Spec)
	if err != nil {
		return nil, err
	}
	if !own(chainOf(r, args)) {
		return nil, errors.New("neither its chain nor its target is lvsd's own")
	}
	return args, nil
}

// chainOf is the own chain that the rule is about: the one it stands in, or the
// one it leads to.
func chainOf(r lvs.Rule, args []string) string {
	if own(r.Chain) {
		return r.Chain
	}
	return target(args)
}

// notExist tells whether iptables missed a chain, a rule or a module: its exit
// status does not tell these apart from other errors.
func notExist(err error) bool {
	var e *iptables.Error
	return errors.As(err, &e) && e.IsNotExist()
}

// commandError says in one line what iptables said in several.
type commandError struct{ err error }

func (e commandError) Error() string { return strings.Join(strings.Fields(e.err.Error()), " ") }

func (e commandError) Unwrap() error { return e.err }

// Is gives a missing rule or chain the error that callers can test for.
func (e commandError) Is(target error) bool { return target == fs.ErrNotExist && notExist(e.err) }
