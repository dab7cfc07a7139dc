package firewalltest_test

import (
	"errors"
	"testing"

	"github.com/lvsd/lvsd/pkg/firewall/firewalltest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestContract(t *testing.T) { firewalltest.Contract(t, firewalltest.New()) }

func TestFail(t *testing.T) {
	boom := errors.New("boom")
	f := firewalltest.New()
	f.Fail = func(op, _ string) error {
		if op == "add" {
			return boom
		}
		return nil
	}
	r := lvs.SNAT("web", lvs.MarkKey(1, lvs.IPv4))[0]
	if err := f.Add(r); !errors.Is(err, boom) {
		t.Errorf("got %v, want %v", err, boom)
	}
}
