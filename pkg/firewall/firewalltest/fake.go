// Package firewalltest is a firewall in memory that behaves as the kernel's
// does, and the contract that both are tested by.
package firewalltest

import (
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"sync"

	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Fake holds lvsd's rules in memory. It is safe for several goroutines.
type Fake struct {
	// Fail is asked before each operation, with its name (list, add, delete) and
	// what it is about; an error makes the operation fail without an effect. It
	// is to be set before the Fake is used.
	Fail func(op, what string) error
	// Blocks are packets that somebody's rule drops, with its text. It is to be set
	// before the Fake is used.
	Blocks map[firewall.Packet]string

	mu    sync.Mutex
	rules map[lvs.Rule]int
}

// New returns a Fake without rules.
func New() *Fake { return &Fake{rules: map[lvs.Rule]int{}} }

// Rules is firewall.Firewall.Rules.
func (f *Fake) Rules(tables []firewall.Table) (map[lvs.Rule]int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("list", "rules"); err != nil {
		return nil, err
	}
	asked := map[firewall.Table]bool{}
	for _, t := range tables {
		asked[t] = true
	}
	rules := maps.Clone(f.rules)
	maps.DeleteFunc(rules, func(r lvs.Rule, _ int) bool {
		return !asked[firewall.Table{Family: r.Family, Name: r.Table}]
	})
	return rules, nil
}

// Blocked is firewall.Firewall.Blocked.
func (f *Fake) Blocked(p firewall.Packet) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("look", "packet"); err != nil {
		return "", err
	}
	return f.Blocks[p], nil
}

// Add is firewall.Firewall.Add.
func (f *Fake) Add(r lvs.Rule) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("add", r); err != nil {
		return err
	}
	f.rules[r]++
	return nil
}

// Delete is firewall.Firewall.Delete.
func (f *Fake) Delete(r lvs.Rule) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check("delete", r); err != nil {
		return err
	}
	if f.rules[r] == 0 {
		return fmt.Errorf("delete rule %s: %w", r, fs.ErrNotExist)
	}
	if f.rules[r]--; f.rules[r] == 0 {
		delete(f.rules, r)
	}
	return nil
}

func (f *Fake) check(op string, r lvs.Rule) error {
	if err := f.fail(op, r.String()); err != nil {
		return err
	}
	if !strings.HasPrefix(r.Chain, lvs.ChainPrefix) && !strings.Contains(r.Spec, "-j "+lvs.ChainPrefix) {
		return fmt.Errorf("%s rule %s: neither its chain nor its target is lvsd's own", op, r)
	}
	return nil
}

func (f *Fake) fail(op, what string) error {
	if f.Fail == nil {
		return nil
	}
	if err := f.Fail(op, what); err != nil {
		return fmt.Errorf("%s %s: %w", op, what, err)
	}
	return nil
}
