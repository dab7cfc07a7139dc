package edges

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/sysctl"
	"github.com/lvsd/lvsd/pkg/sysctl/sysctltest"
)

func openSysctl(t *testing.T) *sysctl.FS {
	t.Helper()
	f, err := sysctl.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSysctlContract(t *testing.T) {
	namespace(t)
	sysctltest.Contract(t, openSysctl(t))
}

func TestSysctlOfAnInterfaceWithADot(t *testing.T) {
	namespace(t)
	run(t, "ip link add veth0.100 type veth peer name veth1")
	f := openSysctl(t)
	key := sysctl.InterfaceKey("ipv4", "veth0.100", "arp_announce")
	if err := f.Write(key, "2"); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Read("net/ipv4/conf/veth0.100/arp_announce"); got != "2" || err != nil {
		t.Errorf("got %q, %v, want 2", got, err)
	}
}

func TestSysctlValueThatTheKernelRefuses(t *testing.T) {
	namespace(t)
	if err := openSysctl(t).Write("net.ipv4.ip_forward", "yes"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("got %v, want %v", err, unix.EINVAL)
	}
}
