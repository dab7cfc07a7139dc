package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStateDir(t *testing.T) {
	for _, test := range []struct {
		name, text, fragment, want string
	}{
		{name: "named", text: "[director]\nstate_dir = \"/run/a\"\n", want: "/run/a"},
		{name: "not named", text: "[director]\nname = \"lb1\"\n", want: "/run/lvsd"},
		{name: "empty", want: "/run/lvsd"},
		{name: "with an unknown key", text: "[director]\nstate_dirs = 1\nstate_dir = \"/run/a\"\n", want: "/run/a"},
		{name: "with a name that nobody resolves", text: "director.state_dir = \"/run/a\"\nvirtual.a.vip = \"x.invalid:80\"\n", want: "/run/a"},
		{name: "mistake after it", text: "[director]\nstate_dir = \"/run/a\"\n[virtual.web\nvip = 1\n", want: "/run/a"},
		{name: "mistake before it", text: "[director\nstate_dir = \"/run/a\"\n", want: "/run/lvsd"},
		{name: "two mistakes", text: "[director]\nstate_dir = \"/run/a\"\nname = \"\"\"\nno end = [\n", want: "/run/a"},
		{name: "mistake in the first line", text: "\xef\xbb\xbf=", want: "/run/lvsd"},
		{name: "not a path", text: "[director]\nstate_dir = \"run\"\n", want: "/run/lvsd"},
		{name: "not a string", text: "[director]\nstate_dir = 1\n", want: "/run/lvsd"},
		{name: "not text", text: "\x00\x01", want: "/run/lvsd"},
		{name: "in a fragment", text: "= broken\n", fragment: "[director]\nstate_dir = \"/run/a\"\n", want: "/run/a"},
		{name: "twice", text: "director.state_dir = \"/run/a\"\n", fragment: "director.state_dir = \"/run/b\"\n", want: "/run/a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "director.toml")
			write(test.text)(t, path)
			if test.fragment != "" {
				if err := os.Mkdir(Fragments(path), 0o755); err != nil {
					t.Fatal(err)
				}
				write(test.fragment)(t, filepath.Join(Fragments(path), "more.toml"))
			}
			if got := StateDir(path); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	if got := StateDir(filepath.Join(t.TempDir(), "missing.toml")); got != "/run/lvsd" {
		t.Errorf("of a file that is missing: %s", got)
	}
}
