package daemon

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the old program was holds for as long as the others cannot have taken it
// for dead, and children do not see it.
func TestResumed(t *testing.T) {
	ago := func(d time.Duration) string { return fmt.Sprintf("%.3f", seconds(time.Now().Add(-d))) }
	for _, test := range []struct {
		name, value string
		want        bool // front goes on
	}{
		{"a moment ago", ago(time.Second) + " back front", true},
		{"too long ago", ago(3*time.Second) + " front", false},
		{"in the future", ago(-time.Minute) + " front", false},
		{"another one", ago(0) + " back", false},
		{"none", ago(0), false},
		{"nonsense", "front", false},
		{"nothing", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(resumeVariable, test.value)
			if got := resumed().holds("front", time.Second); got != test.want {
				t.Errorf("got %t", got)
			}
			if value, ok := os.LookupEnv(resumeVariable); ok {
				t.Errorf("children see %q", value)
			}
		})
	}
}

// An upgrade to a program that does not accept the configuration is refused. The
// program on disk is this test.
func TestUpgradeRefused(t *testing.T) {
	r := start(t, web("", "rs1"))
	t.Setenv(asBroken, "1")
	r.upgrades <- os.Interrupt
	eventually(t, "the upgrade is refused", func() bool { return r.log.count("upgrade refused, this director goes on") == 1 })
	if !strings.Contains(r.log.String(), "this program is broken") {
		t.Errorf("the log does not say why:\n%s", r.log)
	}
	must(t, r.reload())
}

// Before it makes way, a director ends all that it does and takes nothing away.
func TestUpgradeBegins(t *testing.T) {
	r := start(t, web("", "rs1"))
	before := r.table.String()
	r.upgrades <- os.Interrupt
	err := <-r.ended
	r.ended <- err
	if err != nil || !r.d.upgrading.Load() {
		t.Errorf("ended with %v, upgrading %t:\n%s", err, r.d.upgrading.Load(), r.log)
	}
	if diff := cmp.Diff(before, r.table.String()); diff != "" {
		t.Errorf("the table changed:\n%s", diff)
	}
	for len(r.notices) > 0 {
		if got := <-r.notices; got == "STOPPING=1" {
			t.Errorf("the supervisor is told %q", got)
		}
	}
}
