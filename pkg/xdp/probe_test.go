package xdp

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
)

// TestProbe: a kernel that runs the guard lacks nothing that it needs.
func TestProbe(t *testing.T) {
	for _, lack := range Probe() {
		t.Logf("no %s (Linux %s): %v", lack.Feature, lack.Since, lack.Err)
		if lack.Fatal || lack.Err == nil || lack.Since == "" || lack.Without == "" {
			t.Errorf("lack %+v", lack)
		}
	}
}

// TestVerifier: the verifier's work stays far from its limit of a million
// instructions, so that older kernels with less clever ones manage too.
func TestVerifier(t *testing.T) {
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	var objects guardObjects
	options := ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats}}
	if err := loadGuardObjects(&objects, &options); err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	// Its log says it on every kernel, what is known of a program since Linux 5.16 only.
	looked := regexp.MustCompile(`(?m)^processed (\d+) insns`)
	for name, p := range map[string]*ebpf.Program{"guard": objects.Guard, "explain": objects.Explain} {
		found := looked.FindStringSubmatch(p.VerifierLog)
		if found == nil {
			t.Fatalf("%s: the verifier's log does not say how much it has looked at: %q", name, p.VerifierLog)
		}
		t.Logf("%s: the verifier looked at %s instructions", name, found[1])
		if n, err := strconv.Atoi(found[1]); err != nil || n > 200_000 {
			t.Errorf("%s: %s instructions, %v", name, found[1], err)
		}
	}
}
