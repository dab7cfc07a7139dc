package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

// seed adds every file of testdata and the reference to a corpus.
func seed(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/*/*.toml", "testdata/*/*/*.toml", "testdata/*/*/conf.d/*.toml", "reference.toml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
}

// FuzzLoad holds for any text: no panic, the same outcome twice, errors with
// positions inside the text, and the invariants of what is accepted.
func FuzzLoad(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "director.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(t.Context(), path, testHosts)
		again, errAgain := Load(t.Context(), path, testHosts)
		if diff := cmp.Diff(cfg, again, asValues); diff != "" {
			t.Errorf("a second Load differs (-first +second):\n%s", diff)
		}
		if err == nil {
			checkInvariants(t, cfg)
			return
		}
		if errAgain == nil || err.Error() != errAgain.Error() {
			t.Errorf("a second Load differs:\n%v\n%v", err, errAgain)
		}
		var all Errors
		if !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("%v is no Errors", err)
		}
		lines := strings.Count(text, "\n") + 1
		for _, e := range all {
			if e.Position.File != path || e.Position.Line > lines || e.Message == "" {
				t.Errorf("%v: not a place among %d lines of %s", e, lines, path)
			}
		}
	})
}

// FuzzPositions holds the positions against the decoder: wherever it finds a
// key or a value, the text at our place for it looks like one.
func FuzzPositions(f *testing.F) {
	seed(f)
	for _, s := range []string{
		"a.b.c = 1\n[x.'y z'.\"\\u0061\"]\nd = [[1, 2], [{ e = 1 }]]\n",
		"[[a]]\nb = 1\n[[a.c]]\nd = 2\n[[a]]\nb = 3\n[a.c]\nd = 4\n",
		"\xef\xbb\xbfa = \"\"\"x\\\"\"\"\"\"\nb = '''y'''''\n c = \"\" # z\n",
		"a = { b = { c.d = 1 }, e = [ # f\n 1, ], } \r\n\"\" = 2\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // readFile refuses it, where the decoder skips a UTF-16 mark
		}
		root, off, err := scan(text)
		if errors.Is(err, errDeep) {
			if off > len(text) {
				t.Errorf("too deep at %d of %d", off, len(text))
			}
			return
		}
		var values map[string]any
		if decode(text, &values) != nil {
			return
		}
		if err != nil {
			t.Fatalf("the decoder takes what the scanner does not: %v at %d", err, off)
		}
		checkPlaces(t, text, "", values, root)
	})
}

func checkPlaces(t *testing.T, text, path string, value any, p *place) {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		for name, value := range v {
			path := joinPath(path, name)
			c := p.keys[name]
			if c == nil {
				t.Errorf("%s has no place", path)
				continue
			}
			checkKey(t, text, path, name, c)
			checkPlaces(t, text, path, value, c)
		}
		return
	case []map[string]any:
		for i, value := range v {
			checkPlaces(t, text, path, value, p.item(i))
		}
		checkItems(t, path, len(v), p)
		return
	case []any:
		for i, value := range v {
			checkPlaces(t, text, path, value, p.item(i))
		}
		checkItems(t, path, len(v), p)
	}
	if begins := firstBytes(value); !strings.ContainsAny(text[p.value:p.value+1], begins) {
		t.Errorf("%s = %v is placed at %q", path, value, text[p.value:])
	}
}

func checkItems(t *testing.T, path string, n int, p *place) {
	t.Helper()
	if len(p.items) != n {
		t.Errorf("%s has %d items, %d places", path, n, len(p.items))
	}
}

func checkKey(t *testing.T, text, path, name string, p *place) {
	t.Helper()
	rest := text[p.key:]
	if !strings.HasPrefix(rest, name) && !strings.HasPrefix(rest, `"`) && !strings.HasPrefix(rest, `'`) {
		t.Errorf("key %s is placed at %q", path, rest)
	}
}

// firstBytes is what a value can begin with.
func firstBytes(value any) string {
	switch value.(type) {
	case string:
		return `"'`
	case bool:
		return "tf"
	case []any:
		return "["
	case time.Time:
		return "0123456789"
	}
	return "+-0123456789in" // infinity and not-a-number among the fractions
}

// The decoder's own list of keys, which tables of any kind are part of, is
// covered too.
func TestEveryKeyHasAPlace(t *testing.T) {
	for name, file := range cases(t, "testdata/valid") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var values map[string]any
		md, err := toml.Decode(string(text), &values)
		if err != nil {
			t.Fatal(err)
		}
		root, _, err := scan(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range md.Keys() {
			if !hasPlace(root, key) {
				t.Errorf("%s: %s has no place", name, key)
			}
		}
	}
}

// hasPlace looks for a key in a table, or in all tables of a list.
func hasPlace(p *place, key toml.Key) bool {
	if len(key) == 0 {
		return true
	}
	if c := p.keys[key[0]]; c != nil {
		return hasPlace(c, key[1:])
	}
	return slices.ContainsFunc(p.items, func(item *place) bool { return hasPlace(item, key) })
}
