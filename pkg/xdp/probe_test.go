package xdp

import (
	"testing"

	"github.com/cilium/ebpf"
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
	g := newGuard(t)
	for name, p := range map[string]*ebpf.Program{"guard": g.objects.Guard, "explain": g.objects.Explain} {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		n, ok := info.VerifiedInstructions()
		t.Logf("%s: the verifier looked at %d instructions", name, n)
		if !ok || n > 200_000 { // Linux tells since 5.16
			t.Errorf("%s: %d instructions, %t", name, n, ok)
		}
	}
}
