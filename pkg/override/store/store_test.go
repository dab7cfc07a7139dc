package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/override"
)

func add(t *testing.T, s *Store, o override.Override) error {
	t.Helper()
	return s.Change(func(set override.Set) (override.Set, error) { return set.With(o), nil })
}

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, err := Open(dir)
	if err != nil || len(s.Set()) != 0 {
		t.Fatalf("a new one: %v, %v", s.Set(), err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	all := []override.Override{
		{Target: override.Of("web", "web1"), Since: at, By: "root", Reason: `new "disk"`, Remove: true, Deadline: at.Add(time.Minute), Removed: at},
		{Target: override.Everywhere("10.0.0.1"), Weight: 5, Since: at},
		{Target: override.Self, Since: at},
	}
	for _, o := range all {
		if err := add(t, s, o); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(dir)
	if err != nil || !slices.Equal(again.Set(), s.Set()) || !slices.Equal([]override.Override(again.Set()), all) {
		t.Errorf("read again: %v, %v", again.Set(), err)
	}
}

// Whatever fails, the set in force is the one before.
func TestStoreFails(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	first := override.Override{Target: override.Of("web", "web1")}
	if err := add(t, s, first); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	err = s.Change(func(override.Set) (override.Set, error) { return nil, no })
	if !errors.Is(err, no) || len(s.Set()) != 1 {
		t.Errorf("refused: %v, %v", s.Set(), err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err = add(t, s, override.Override{Target: override.Self})
	if err == nil || !strings.HasPrefix(err.Error(), "keep the overrides: ") || !slices.Equal(s.Set(), override.Set{first}) {
		t.Errorf("not kept: %v, %v", s.Set(), err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a file as a directory is no error")
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, text := range []string{"", "{", `{"overrides": [{"target": "x"}]}`, `{"overrides": 1}`} {
		dir := t.TempDir()
		path := filepath.Join(dir, "overrides.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
