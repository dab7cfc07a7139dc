package cli

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// Colours take no room, and what a person sees without them is the same.
func TestPaint(t *testing.T) {
	for plain, want := range map[string]string{
		"WELL: all":             "[32;1mWELL[0m: all",
		"BAD: x\n  - y":         "[31;1mBAD[0m: x\n  - y",
		"  web1 DOWN for 1s":    "  web1 [31;1mDOWN[0m for 1s",
		"DRAINED by root":       "[33;1mDRAINED[0m by root",
		"DRAINED AND REMOVED x": "[33;1mDRAINED AND REMOVED[0m x",
		"WEIGHT 7 by":           "[33;1mWEIGHT 7[0m by",
		"up for 1s: ok":         "up for 1s: ok",
	} {
		if got := strings.ReplaceAll(string(paint([]byte(plain))), "\x1b", ""); got != want {
			t.Errorf("%q: got %q, want %q", plain, got, want)
		}
	}
}

// Only a terminal gets colours, and only where they are wanted.
func TestColours(t *testing.T) {
	terminal, far, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	defer far.Close()
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		out  io.Writer
		env  map[string]string
		want bool
	}{
		{far, nil, true},
		{far, map[string]string{"NO_COLOR": "1"}, false},
		{far, map[string]string{"TERM": "dumb"}, false},
		{file, nil, false},
		{&bytes.Buffer{}, nil, false},
	} {
		e := Env{Out: test.out, Getenv: func(name string) string { return test.env[name] }}
		if got := e.colours(); got != test.want {
			t.Errorf("%T %v: got %t", test.out, test.env, got)
		}
	}
}
