package realserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPersist(t *testing.T) {
	f, root := newFake(t), t.TempDir()
	args := []string{"--vip", "10.0.0.200", "--forwarding", "tun", "--early"}
	for range 2 {
		must(t, f.server().Persist(root, byIPIP, "/usr/bin/lvsd", args))
	}
	golden(t, "unit", read(t, root, unitFile))
	golden(t, "sysctl.conf", read(t, root, sysctlFile))
	if got, err := os.Readlink(filepath.Join(root, wantedLink)); got != "/"+unitFile || err != nil {
		t.Errorf("the unit is wanted by a link to %q, %v", got, err)
	}
	for range 2 {
		if notes, err := Unpersist(root); err != nil || len(notes) != 0 {
			t.Errorf("got %v, %v", notes, err)
		}
	}
	for _, name := range []string{unitFile, sysctlFile, wantedLink} {
		if _, err := os.Lstat(filepath.Join(root, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	must(t, err)
	return string(text)
}

func TestPersistLeavesForeignFilesAlone(t *testing.T) {
	f, root := newFake(t), t.TempDir()
	path := filepath.Join(root, unitFile)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte("[Unit]\n"), 0o644))
	if err := f.server().Persist(root, byDR, "/usr/bin/lvsd", nil); err == nil || !strings.Contains(err.Error(), "was not written by the setup") {
		t.Errorf("got %v", err)
	}
	notes, err := Unpersist(root)
	want := []string{path + " was not written by the setup: it is left so"}
	if diff := cmp.Diff(want, notes); err != nil || diff != "" {
		t.Errorf("notes (-want +got):\n%s%v", diff, err)
	}
	if got := read(t, root, unitFile); got != "[Unit]\n" {
		t.Errorf("the file is now %q", got)
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"--vip":     "--vip",
		"":          `""`,
		"a b":       `"a b"`,
		`a"b\c`:     `"a\"b\\c"`,
		"100%":      "100%%",
		"$HOME":     "$$HOME",
		"two\nline": `"two\nline"`,
	} {
		if got := escape(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
