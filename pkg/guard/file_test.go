package guard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/guard"
)

func TestReadFile(t *testing.T) {
	const aNetwork = "a network such as 192.0.2.0/24, or an address"
	tests := []struct {
		name, text string
		want       string // the networks, or the error after the path
	}{
		{"empty", "", ""},
		{"comments and blank lines", "# a list\n\n  \t\r\n; another\n", ""},
		{"networks and addresses", "192.0.2.0/24 ; SBL1\n10.0.0.1\n2001:db8::/32 # v6\n::1", "10.0.0.1/32 192.0.2.0/24 ::1/128 2001:db8::/32"},
		{"line ends of others", "10.0.0.0/8\r\n", "10.0.0.0/8"},
		{"a word", "10.0.0.0/8\nnobody\n", `:2: "nobody" is not a network; expected ` + aNetwork},
		{"host bits", "10.0.0.1/8\n", ":1: 10.0.0.1/8 is an address in a network, not the network; expected 10.0.0.0/8 or 10.0.0.1"},
		{"everybody", "0.0.0.0/0", ":1: 0.0.0.0/0 is everybody; expected a prefix length of 1 or more"},
		{"mapped", "::ffff:192.0.2.1", ":1: ::ffff:192.0.2.1/128 is an IPv4 address in IPv6 clothes; expected 192.0.2.1/32"},
		{"zone", "fe80::1%eth0", `:1: "fe80::1%eth0" is not a network; expected ` + aNetwork},
		{"two errors", "x\n10.0.0.1\ny", `:1: "x" is not a network; expected ` + aNetwork + "\nLIST:3: " + `"y" is not a network; expected ` + aNetwork},
		{"a long line", strings.Repeat("x", 5000), ":1: a line of more than 4096 bytes; expected " + aNetwork},
		{"binary", "\x7fELF\x00\x01", ":1: \"\\x7fELF\\x00\\x01\" is not a network; expected " + aNetwork},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "list")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			set, err := guard.ReadFile(path)
			var words []string
			for p := range set.All() {
				words = append(words, p.String())
			}
			got := strings.Join(words, " ")
			if err != nil {
				got = strings.TrimPrefix(strings.ReplaceAll(err.Error(), path, "LIST"), "LIST")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadFileTellsTheFirstErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(strings.Repeat("nobody\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := guard.ReadFile(path)
	if n := strings.Count(err.Error(), "\n") + 1; n != 10 {
		t.Errorf("%d lines, want 10", n)
	}
}

func TestReadFileThatIsNone(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "gone"): "read the list %s: no such file or directory",
		dir:                        "read the list %s: not a regular file",
		pipe:                       "read the list %s: not a regular file",
	} {
		_, err := guard.ReadFile(path)
		if want := fmt.Sprintf(want, path); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A million networks take no more memory than the set needs, several times over
// for its growth.
func TestReadFileIsLean(t *testing.T) {
	path := million(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	set, err := guard.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	if set.Len() != 1_000_000 {
		t.Errorf("%d networks", set.Len())
	}
	if kept > 16<<20 {
		t.Errorf("%d bytes kept", kept)
	}
	t.Logf("%d kB kept, %d kB allocated on the way", kept>>10, (after.TotalAlloc-before.TotalAlloc)>>10)
	runtime.KeepAlive(set)
}

// FuzzReadFile holds that any text is a list or an error of one of its lines.
func FuzzReadFile(f *testing.F) {
	f.Add("192.0.2.0/24 # a network\n\n2001:db8::1;x\r\n")
	f.Add("10.0.0.1/8\nnobody\n::ffff:192.0.2.1/96")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "list")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := guard.ReadFile(path)
		if err != nil && (set.Len() > 0 || !strings.HasPrefix(err.Error(), path+":")) {
			t.Errorf("%d networks and %v", set.Len(), err)
		}
		for p := range set.All() {
			if p != p.Masked() || p.Bits() == 0 {
				t.Errorf("%s is no network", p)
			}
		}
	})
}

func BenchmarkReadFile(b *testing.B) {
	path := million(b)
	for b.Loop() {
		if _, err := guard.ReadFile(path); err != nil {
			b.Fatal(err)
		}
	}
}

// million writes a list of a million addresses in no order.
func million(tb testing.TB) string {
	tb.Helper()
	var text strings.Builder
	for i := range 1_000_000 {
		n := uint32(i) * 2654435761 // odd, so that no two are the same
		fmt.Fprintf(&text, "%d.%d.%d.%d\n", n>>24, n>>16&0xff, n>>8&0xff, n&0xff)
	}
	path := filepath.Join(tb.TempDir(), "list")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
