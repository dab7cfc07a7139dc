package guard_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/guard"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	// As a program does that knows its trade: beside it, and then renamed.
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestListsKeepWhatWasRight(t *testing.T) {
	var log bytes.Buffer
	lists := guard.NewLists(slog.New(slog.NewTextHandler(&log, nil)))
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	paths := []string{one, two}
	check := func(what, want string, wantComplete, wantErr bool) {
		t.Helper()
		set, complete := lists.Set(paths)
		if set.String() != want || complete != wantComplete || (lists.Err() != nil) != wantErr {
			t.Errorf("%s: %s, complete %t, %v; want %s", what, set, complete, lists.Err(), want)
		}
	}
	write(t, one, "10.0.0.0/8\n")
	if !lists.Follow(paths) {
		t.Error("a first list is no change")
	}
	check("one is missing", "10.0.0.0/8", false, true)
	write(t, two, "192.0.2.1")
	if !lists.Refresh() {
		t.Error("a second list is no change")
	}
	check("both", "10.0.0.0/8 192.0.2.1/32", true, false)
	if lists.Refresh() {
		t.Error("nothing is a change")
	}
	write(t, one, "10.0.0.0/8\nnonsense\n")
	for range 2 {
		if lists.Refresh() {
			t.Error("a bad list is a change")
		}
	}
	check("bad", "10.0.0.0/8 192.0.2.1/32", true, true)
	if err := os.Remove(one); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if lists.Refresh() {
			t.Error("a missing list is a change")
		}
	}
	check("missing", "10.0.0.0/8 192.0.2.1/32", true, true)
	if !strings.Contains(lists.Err().Error(), one+": no such file or directory") {
		t.Errorf("error: %v", lists.Err())
	}
	write(t, one, "10.0.0.0/8 # the same\n")
	if lists.Refresh() {
		t.Error("the same networks are a change")
	}
	check("back", "10.0.0.0/8 192.0.2.1/32", true, false)
	paths = []string{two}
	lists.Follow(paths)
	check("one fewer", "192.0.2.1/32", true, false)
	if n := lists.Failures(); n != 3 {
		t.Errorf("%d failures, want 3: two missing, bad, gone", n)
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 3 {
		t.Errorf("%d errors logged, want 3:\n%s", n, &log)
	}
}
