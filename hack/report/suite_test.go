package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A suite beside the others has begun before it is waited for, and says what it has
// to say then.
func TestSuiteBeside(t *testing.T) {
	command := filepath.Join(t.TempDir(), "command")
	script := "#!/bin/sh\necho '{\"Action\":\"pass\",\"Test\":\"TestA\"}'\necho a complaint >&2\nread line <" + command + ".in\necho not json\n"
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(command+".in", 0o600); err != nil {
		t.Fatal(err)
	}
	beside := newSuite("slow &: "+command, true)
	// This waits until the other end is open: the suite runs.
	if err := os.WriteFile(command+".in", []byte("go on\n"), 0); err != nil {
		t.Fatal(err)
	}
	err := <-beside.ended
	if err != nil || beside.label != "slow" || beside.counts.passed != 1 {
		t.Errorf("%q: %v, %s", beside.label, err, beside.counts)
	}
	if got := beside.said.String(); got != "not json\n" {
		t.Errorf("said %q", got)
	}
	if got := beside.complaints.String(); got != "a complaint\n" {
		t.Errorf("complained %q", got)
	}
}

func TestSuiteWithoutATest(t *testing.T) {
	if err := newSuite("none: true", true).wait(); err == nil || !strings.Contains(err.Error(), "no test ran") {
		t.Errorf("%v", err)
	}
	if err := newSuite("none:", true).wait(); err == nil || !strings.Contains(err.Error(), "no command") {
		t.Errorf("%v", err)
	}
}
