package sysctltest_test

import (
	"errors"
	"testing"

	"github.com/lvsd/lvsd/pkg/sysctl/sysctltest"
)

func TestContract(t *testing.T) {
	f, err := sysctltest.New(sysctltest.Used)
	if err != nil {
		t.Fatal(err)
	}
	sysctltest.Contract(t, f)
}

func TestFail(t *testing.T) {
	f, err := sysctltest.New(sysctltest.Used)
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	f.Fail = func(op, _ string) error {
		if op == "set" {
			return boom
		}
		return nil
	}
	if err := f.Write("net.ipv4.ip_forward", "1"); !errors.Is(err, boom) {
		t.Errorf("got %v, want %v", err, boom)
	}
	if got, err := f.Read("net.ipv4.ip_forward"); got != "0" || err != nil {
		t.Errorf("after a failed write: got %q, %v, want 0", got, err)
	}
}
