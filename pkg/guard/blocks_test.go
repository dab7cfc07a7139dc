package guard_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lvsd/lvsd/pkg/guard"
)

var (
	asValue = cmpopts.EquateComparable(netip.Prefix{})
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func open(t *testing.T, path string) *guard.Blocks {
	t.Helper()
	b, err := guard.OpenBlocks(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBlocksSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blocks.json")
	b := open(t, path)
	ever := guard.Block{Prefix: netip.MustParsePrefix("192.0.2.0/24"), By: "root", Since: noon}
	hour := guard.Block{Prefix: netip.MustParsePrefix("10.0.0.1/32"), By: "anna", Since: noon, Until: noon.Add(time.Hour)}
	for _, block := range []guard.Block{ever, hour} {
		if err := b.Add(block); err != nil {
			t.Fatal(err)
		}
	}
	b = open(t, path)
	if diff := cmp.Diff([]guard.Block{hour, ever}, b.List(noon), asValue); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	if got := b.Next(noon); !got.Equal(hour.Until) {
		t.Errorf("next end %s", got)
	}
	late := noon.Add(time.Hour)
	if got := b.Set(late).String(); got != "192.0.2.0/24" {
		t.Errorf("after the hour: %s", got)
	}
	if got := b.Next(late); !got.IsZero() {
		t.Errorf("after the hour the next end is %s", got)
	}
	if err := b.Remove(hour.Prefix, late); err == nil || err.Error() != "unblock 10.0.0.1/32: it is not blocked by command" {
		t.Errorf("remove what is over: %v", err)
	}
	if err := b.Remove(ever.Prefix, late); err != nil {
		t.Error(err)
	}
	if got := open(t, path).List(noon); len(got) != 0 {
		t.Errorf("after all: %v", got)
	}
}

func TestBlocksThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := guard.OpenBlocks(filepath.Join(file, "blocks.json")); err == nil {
		t.Error("a file is taken for a directory")
	}
	made := filepath.Join(dir, "made")
	b := open(t, filepath.Join(made, "blocks.json"))
	if err := os.WriteFile(made, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	block := guard.Block{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Since: noon}
	if err := b.Add(block); err == nil || !strings.HasPrefix(err.Error(), "block 192.0.2.0/24: write the blocks by command: ") {
		t.Errorf("add: %v", err)
	}
	if got := b.List(noon); len(got) != 0 {
		t.Errorf("what could not be kept is blocked: %v", got)
	}
	path := filepath.Join(dir, "blocks.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := guard.OpenBlocks(path); err == nil || !strings.Contains(err.Error(), "starts without them") {
		t.Errorf("a broken file: %v", err)
	}
}
