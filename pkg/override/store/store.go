// Package store keeps the overrides of one director in a file, so that they
// outlast its restart and the machine's reboot.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/lvsd/lvsd/pkg/durable"
	"github.com/lvsd/lvsd/pkg/override"
)

// Store is a set of overrides with its file. It may be used by several goroutines.
type Store struct {
	path string
	mu   sync.Mutex // held while the set changes
	set  atomic.Pointer[override.Set]
}

// file is the form of the file.
type file struct {
	Overrides override.Set `json:"overrides"`
}

// Open reads the overrides in a directory. What does not exist is an empty set; the
// directory is made when there is something to keep.
func Open(dir string) (*Store, error) {
	s := &Store{path: filepath.Join(dir, "overrides.json")}
	s.set.Store(&override.Set{})
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the overrides: %w", err)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("read the overrides from %s: %w (without this file lvsd starts, but servers that were drained serve again)",
			s.path, err)
	}
	set := override.Set{}
	for _, o := range f.Overrides {
		set = set.With(o)
	}
	s.set.Store(&set)
	return s, nil
}

// Set gives the overrides in force. It never waits.
func (s *Store) Set() override.Set { return *s.set.Load() }

// Change lets a function change the set, and returns when the disk has the new one.
// Where the function or the disk fails, the old one stays in force.
func (s *Store) Change(change func(override.Set) (override.Set, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, err := change(s.Set())
	if err != nil {
		return err
	}
	if err := s.save(set); err != nil {
		return fmt.Errorf("keep the overrides: %w", err)
	}
	s.set.Store(&set)
	return nil
}

func (s *Store) save(set override.Set) error {
	data, err := json.MarshalIndent(file{set}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return err
	}
	return durable.Write(s.path, append(data, '\n'), 0o644)
}
