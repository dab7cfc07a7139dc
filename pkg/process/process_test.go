package process

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name    string
		program Program
		output  string
		err     string
	}{
		{"good", Program{Command: sh("echo fine")}, "fine\n", ""},
		{"environment", Program{Command: sh("echo $A $LANG; pwd"), Env: []string{"A=b c"}}, "b c C\n/\n", ""},
		{"exit code", Program{Command: sh("echo why >&2; exit 3")}, "why\n", "exit code 3"},
		{"signal", Program{Command: sh("kill -9 $$")}, "", "killed by signal 9 (killed)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			end, err := tt.program.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			if err := end.Err(); err != nil {
				text = err.Error()
			}
			if end.Output != tt.output || text != tt.err {
				t.Errorf("got %q, %q; want %q, %q", end.Output, text, tt.output, tt.err)
			}
		})
	}
}

func TestNotRun(t *testing.T) {
	for _, p := range []Program{{Command: []string{"/nowhere"}}, {Command: sh("true"), User: "nobody-at-all"}} {
		if _, err := p.Run(t.Context()); err == nil {
			t.Errorf("%+v ran", p)
		}
		if err := p.Check(); err == nil {
			t.Errorf("%+v passes the check", p)
		}
	}
}

// The whole process group dies at the deadline, whatever it does against it.
func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	end, err := Program{Command: sh("trap '' TERM; sleep 1000 & echo $!; wait")}.Run(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want the deadline", err)
	}
	wantGone(t, strings.TrimSpace(end.Output))
}

func wantGone(t *testing.T, child string) {
	t.Helper()
	for range 100 {
		// An orphan stays a zombie until init collects it.
		status, err := os.ReadFile("/proc/" + child + "/status")
		if err != nil || strings.Contains(string(status), "State:\tZ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the child %s still lives", child)
}

// What a program leaves behind that holds its output goes with it, whether it
// succeeded or failed.
func TestLeftBehind(t *testing.T) {
	for _, code := range []string{"0", "1"} {
		end, err := Program{Command: sh("sleep 1000 & echo $!; exit " + code)}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantGone(t, strings.TrimSpace(end.Output))
	}
}
