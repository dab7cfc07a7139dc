package changelog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) *Log {
	t.Helper()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func add(l *Log, n int) {
	for i := range n {
		l.Add(Change{Kind: Server, Subject: "web/web1", Text: fmt.Sprint(i)})
	}
}

// finish has everything written.
func finish(t *testing.T, l *Log) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(ctx, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
}

func numbers(changes []Change) string {
	if len(changes) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d..%d, %d", changes[0].Number, changes[len(changes)-1].Number, len(changes))
}

func TestAfter(t *testing.T) {
	l := open(t, t.TempDir())
	if got := numbers(l.After(0)); got != "none" {
		t.Errorf("a new log has %s", got)
	}
	add(l, Length+5)
	for number, want := range map[uint64]string{
		0: "6..1005, 1000", 3: "6..1005, 1000", 5: "6..1005, 1000", 6: "7..1005, 999", 1004: "1005..1005, 1", 1005: "none",
		1006: "6..1005, 1000", 1 << 63: "6..1005, 1000",
	} {
		if got := numbers(l.After(number)); got != want {
			t.Errorf("after %d: got %s, want %s", number, got, want)
		}
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() {
				if got := numbers(l.Wait(ctx, 0)); got != "1..1, 1" {
					t.Errorf("got %s", got)
				}
			})
		}
		synctest.Wait()
		l.Add(Change{Text: "one"})
		waiting.Wait()
		if got := l.Wait(ctx, 1); got != nil {
			t.Errorf("at the end of the context: %v", got)
		}
	})
}

// What one director has written the next one knows, and counts on.
func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lvsd")
	l := open(t, dir)
	l.Add(Change{Kind: Override, Subject: "web/web1", Text: "drained\nby root", Cause: "new disk", Trouble: true})
	add(l, 2)
	finish(t, l)
	again := open(t, dir)
	if diff := cmp.Diff(l.After(0), again.After(0)); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	add(again, 1)
	if got := numbers(again.After(3)); got != "4..4, 1" {
		t.Errorf("it goes on with %s", got)
	}
}

// The file does not grow for ever, and what a crash has cut short costs one line.
func TestFileIsBounded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "changes.jsonl")
	var l *Log
	for range 10 {
		l = open(t, dir)
		add(l, 700)
		finish(t, l)
		if data, err := os.ReadFile(path); err != nil || strings.Count(string(data), "\n") > maxLines {
			t.Fatalf("the file has %d lines, %v", strings.Count(string(data), "\n"), err)
		}
	}
	if got := numbers(open(t, dir).After(0)); got != "6001..7000, 1000" {
		t.Errorf("got %s", got)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"number":7001,"ti`); err != nil {
		t.Fatal(err)
	}
	file.Close()
	l = open(t, dir)
	add(l, 1)
	finish(t, l)
	if got := numbers(open(t, dir).After(0)); got != "6002..7001, 1000" {
		t.Errorf("after a crash: %s", got)
	}
}

func TestFileThatIsNone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "changes.jsonl")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", maxLine+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(dir)
	if err == nil || l == nil {
		t.Fatalf("got %v, %v, want an error and a log", l, err)
	}
	add(l, 1)
	finish(t, l)
	if got := numbers(open(t, dir).After(0)); got != "1..1, 1" {
		t.Errorf("written anew: %s", got)
	}
}

// An error of the disk is told once, and what could not be written is written later.
func TestDiskIsFull(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "lvsd")
	l := open(t, dir)
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	told := make(chan error, 10)
	go func() {
		defer close(ended)
		_ = l.Run(ctx, func(err error) { told <- err })
	}()
	add(l, 1)
	if err := <-told; !strings.HasPrefix(err.Error(), "write the log of changes: ") {
		t.Error(err)
	}
	add(l, 1)
	if err := errors.Join(os.Remove(dir)); err != nil {
		t.Fatal(err)
	}
	add(l, 1)
	cancel()
	<-ended
	if len(told) > 0 {
		t.Errorf("told again: %v", <-told)
	}
	if got := numbers(open(t, dir).After(0)); got != "1..3, 3" {
		t.Errorf("got %s", got)
	}
}
