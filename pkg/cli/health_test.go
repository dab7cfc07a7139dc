package cli

import (
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/status"
)

// What a check's program wrote, which may be what a server said, is no command for
// the terminal.
func TestProbesOutput(t *testing.T) {
	var b strings.Builder
	p := status.Probes{Check: status.Check{Output: "good\n\tday\x1b]0;title\x07\r\u009b31m\n"}}
	if err := printProbes(&b, []status.Probes{p}); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "output of the last one:\n")
	if want := "  good\n    day ]0;title   31m\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
