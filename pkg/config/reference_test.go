package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/health/check"
)

var defaultLine = regexp.MustCompile(`(?m)^# ([a-z_]+ = )`)

func loadText(t *testing.T, text string) *Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "director.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(t.Context(), path, testHosts)
	if err != nil {
		t.Fatal(err)
	}
	checkInvariants(t, cfg)
	cfg.Files = nil
	return cfg
}

// The defaults that the reference shows are the ones that hold: written out
// they change nothing, but for the time-outs, which are the kernel's.
func TestReferenceDefaults(t *testing.T) {
	short := loadText(t, Reference())
	long := loadText(t, defaultLine.ReplaceAllString(Reference(), "$1"))
	if long.Timeouts.TCP == 0 || long.Timeouts.TCPFin == 0 || long.Timeouts.UDP == 0 {
		t.Errorf("time-outs %s: not all are written out", long.Timeouts)
	}
	long.Timeouts = short.Timeouts
	if diff := cmp.Diff(short, long, asValues); diff != "" {
		t.Errorf("defaults written out (-without +with):\n%s", diff)
	}
}

// Every key of the language is in the reference: as a key, or in the comment
// that explains a table in place of a string.
func TestReferenceIsComplete(t *testing.T) {
	for _, key := range keysOf(reflect.TypeFor[rawFile]()) {
		table := regexp.MustCompile(`(?m)^\[` + key + `[\].]`)
		line := regexp.MustCompile(`(?m)^(# )?` + key + ` = `)
		word := regexp.MustCompile(`(?m)^#   ([a-z_]+, )*` + key + `\b`)
		if !table.MatchString(reference) && !line.MatchString(reference) && !word.MatchString(reference) &&
			!strings.Contains(reference, "."+key+"]") {
			t.Errorf("key %s is not in the reference", key)
		}
	}
}

// So is every type of check, with every key of its own.
func TestReferenceHasEveryCheck(t *testing.T) {
	for _, kind := range check.Kinds() {
		words := []string{kind}
		spec, _ := check.Blank(kind)
		for _, word := range append(words, specFields(spec).names...) {
			if !regexp.MustCompile(`(?m)^#   +([a-z_]+, )*` + word + `\b`).MatchString(reference) {
				t.Errorf("%s: %s is not in the reference", kind, word)
			}
		}
	}
}

// keysOf gives all keys of a raw struct and of those in it.
func keysOf(typ reflect.Type) []string {
	var keys []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		if name := f.Tag.Get("toml"); name != "" {
			keys = append(keys, name)
		}
		keys = append(keys, keysIn(f.Type)...)
	}
	return keys
}

func keysIn(typ reflect.Type) []string {
	switch typ.Kind() {
	case reflect.Struct:
		return keysOf(typ)
	case reflect.Slice:
		return keysIn(typ.Elem())
	}
	return nil
}
