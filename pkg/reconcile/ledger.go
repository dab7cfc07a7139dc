package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/lvsd/lvsd/pkg/durable"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// Ledger remembers in a file the keys of what lvsd made, so that a service that
// was taken out of the configuration while the daemon was down is still
// removed. It lives on a file system that a reboot empties, as it does the
// kernel's tables.
type Ledger struct {
	path  string
	owned plan.Owned
	dirty bool // the file does not hold what owned does
}

// entries is the ledger's file.
type entries struct {
	Services  []lvs.ServiceKey
	Addresses []lvs.AddressKey
	Links     []string `json:",omitempty"`
	Daemons   []lvs.SyncRole
}

// OpenLedger reads the ledger at path; a file that does not exist is an empty
// one.
func OpenLedger(path string) (*Ledger, error) {
	l := &Ledger{path: path, owned: plan.Owned{
		Services:  map[lvs.ServiceKey]bool{},
		Addresses: map[lvs.AddressKey]bool{},
		Links:     map[string]bool{},
		Daemons:   map[lvs.SyncRole]bool{},
	}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the owned keys: %w", err)
	}
	var e entries
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("read the owned keys from %s: %w (without this file lvsd starts, "+
			"but forgets which services to remove that are no longer configured)", path, err)
	}
	for _, k := range e.Services {
		l.owned.Services[k] = true
	}
	for _, k := range e.Addresses {
		l.owned.Addresses[k] = true
	}
	for _, k := range e.Links {
		l.owned.Links[k] = true
	}
	for _, k := range e.Daemons {
		l.owned.Daemons[k] = true
	}
	return l, nil
}

// claim takes ownership of what the operations are about to make and of the
// services and interfaces that are wanted, and saves it before the first of them is done: a
// crash between the two leaves a key too many, which does no harm, and never one
// too few. An address that was there already stays its maker's.
//
// A standby claims its VIPs before it has them, so that a takeover does not wait for
// a disk. It would delete them in any case, whoever made them.
func (l *Ledger) claim(want lvs.State, ops []plan.Op) error {
	for key := range want.Services {
		set(l, l.owned.Services, key)
	}
	for key := range want.Absent {
		set(l, l.owned.Addresses, key)
	}
	for name := range want.Links {
		set(l, l.owned.Links, name)
	}
	for _, op := range ops {
		l.note(op, lvs.Add)
	}
	return l.save()
}

// release forgets what these operations deleted, unless a later one made it again:
// if somebody else makes it anew, it is theirs.
func (l *Ledger) release(done []plan.Op) error {
	for _, op := range done {
		l.note(op, lvs.Delete)
		l.note(op, lvs.Add)
	}
	return l.save()
}

// note follows an operation if it has this verb.
func (l *Ledger) note(op plan.Op, verb lvs.Verb) {
	switch op := op.(type) {
	case plan.Table:
		if op.Server == nil {
			keep(l, l.owned.Services, op.Service.Key, op.Verb, verb)
		}
	case plan.Address:
		keep(l, l.owned.Addresses, op.AddressKey, op.Verb, verb)
	case plan.Link:
		keep(l, l.owned.Links, op.Name, op.Verb, verb)
	case plan.Daemon:
		keep(l, l.owned.Daemons, op.Role, op.Verb, verb)
	}
}

// keep sets or unsets the key of an operation that has this verb.
func keep[K comparable](l *Ledger, m map[K]bool, key K, has, verb lvs.Verb) {
	switch {
	case has != verb:
	case verb == lvs.Add:
		set(l, m, key)
	case verb == lvs.Delete:
		unset(l, m, key)
	}
}

// prune forgets the keys that are neither wanted nor observed: somebody else
// removed them.
func (l *Ledger) prune(want, have lvs.State) {
	prune(l, l.owned.Services, want.Services, have.Services)
	prune(l, l.owned.Links, want.Links, have.Links)
	prune(l, l.owned.Daemons, want.Daemons, have.Daemons)
	absent := map[lvs.AddressKey]lvs.Address{}
	for key := range want.Absent {
		absent[key] = lvs.Address{}
	}
	prune(l, l.owned.Addresses, want.Addresses, have.Addresses, absent)
}

// prune unsets the keys that none of these maps has.
func prune[K comparable, V any](l *Ledger, owned map[K]bool, known ...map[K]V) {
	for key := range owned {
		if !slices.ContainsFunc(known, func(m map[K]V) bool { _, ok := m[key]; return ok }) {
			unset(l, owned, key)
		}
	}
}

func set[K comparable](l *Ledger, m map[K]bool, key K) {
	if !m[key] {
		m[key], l.dirty = true, true
	}
}

func unset[K comparable](l *Ledger, m map[K]bool, key K) {
	if m[key] {
		delete(m, key)
		l.dirty = true
	}
}

// save writes the file if it would change, whole or not at all.
func (l *Ledger) save() error {
	if !l.dirty {
		return nil
	}
	data, err := json.Marshal(entries{
		Services:  slices.SortedFunc(maps.Keys(l.owned.Services), lvs.ServiceKey.Compare),
		Addresses: slices.SortedFunc(maps.Keys(l.owned.Addresses), lvs.AddressKey.Compare),
		Links:     slices.Sorted(maps.Keys(l.owned.Links)),
		Daemons:   slices.Sorted(maps.Keys(l.owned.Daemons)),
	})
	if err != nil {
		return fmt.Errorf("write the owned keys: %w", err)
	}
	if err := durable.Write(l.path, data, 0o600); err != nil {
		return fmt.Errorf("write the owned keys: %w", err)
	}
	l.dirty = false
	return nil
}
