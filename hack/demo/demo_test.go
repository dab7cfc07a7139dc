package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The edits take every example from rs1 and rs2 to rs2 and rs3.
func TestChanges(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", "examples", name, configName))
			if err != nil {
				t.Fatal(err)
			}
			d := &demo{dir: t.TempDir()}
			if err := os.WriteFile(d.config(), text, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, c := range changes(withoutComments(string(text)), s.newcomer) {
				if err := d.rewrite(c); err != nil {
					t.Fatal(err)
				}
			}
			edited, err := os.ReadFile(d.config())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(string(edited)) {
				if server, _, ok := strings.Cut(line, " = "); ok && strings.HasPrefix(server, "rs") {
					got = append(got, server)
				}
			}
			if diff := cmp.Diff([]string{"rs3", "rs2"}, got); diff != "" {
				t.Errorf("real servers after the edits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithoutComments(t *testing.T) {
	got := withoutComments("# a\n\n# b\n\n[x] # c\ny = 1\n\n# d\n\n\n[z]\n")
	if want := "[x]\ny = 1\n\n[z]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWithStateDir(t *testing.T) {
	got, err := withStateDir("[director]\nname = \"lb1\"\n", "/tmp/x")
	if want := "[director]\nstate_dir = \"/tmp/x\"\ndata_dir = \"/tmp/x\"\nname = \"lb1\"\n"; got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := withStateDir("[vip]\n", "/tmp/x"); err == nil {
		t.Error("a file without [director] is no error")
	}
}

func TestJournal(t *testing.T) {
	var j journal
	for _, part := range []string{"time=1 level=INFO msg=a\ntime=2 lev", "el=WARN msg=b\n", "time=3 level=INFO msg=c\nrest"} {
		if n, err := j.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("wrote %d of %q: %v", n, part, err)
		}
	}
	var got []string
	for _, e := range j.since(1, "") {
		got = append(got, e.message())
	}
	if diff := cmp.Diff([]string{"level=WARN msg=b", "level=INFO msg=c"}, got); diff != "" {
		t.Errorf("since the first line (-want +got):\n%s", diff)
	}
	lines, err := j.await(t.Context(), 0, "level=", 2)
	if len(lines) != 2 || err != nil {
		t.Errorf("awaited %d lines, %v, want the first 2", len(lines), err)
	}
}

// One claim that does not hold fails the demonstration.
func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		name   string
		second bool
		want   string
	}{
		{"all hold", true, "\nSummary\n\n   ok      short   1 of 1\n   ok      longer  2\n     why\n\n   All 2 claims held"},
		{"one does not", false, "\nSummary\n\n   ok      short   1 of 1\n   FAILED  longer  2\n     why\n\n   1 of 2 claims did not hold.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			d := &demo{out: &printer{w: &b}, began: time.Now()}
			d.claim(true, "short", "1 of %d", 1)
			d.claim(tt.second, "longer", "2\nwhy")
			if got := d.summarize(); got != tt.second {
				t.Errorf("summarize: %t, want %t", got, tt.second)
			}
			if !strings.HasPrefix(b.String(), tt.want) {
				t.Errorf("got\n%s\nwant\n%s", b.String(), tt.want)
			}
		})
	}
}

func TestColour(t *testing.T) {
	for _, tt := range []struct {
		colour bool
		want   string
	}{
		{false, "   lb1# ipvsadm -C\n"},
		{true, "   \x1b[2mlb1#\x1b[0m \x1b[36mipvsadm -C\x1b[0m\n"},
	} {
		var b strings.Builder
		(&printer{w: &b, colour: tt.colour}).command("lb1", "ipvsadm", "-C")
		if got := b.String(); got != tt.want {
			t.Errorf("colour %t: got %q, want %q", tt.colour, got, tt.want)
		}
	}
}
