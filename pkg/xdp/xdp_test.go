package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// insideEnv marks a process that has namespaces of its own.
const insideEnv = "LVSD_XDP_TEST_INSIDE"

// TestMain runs the tests in mount and network namespaces of their own: they
// mount a bpf file system and make interfaces. Who is not root can do neither,
// but run those that need no kernel.
func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) != "" || os.Geteuid() != 0 {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "start the tests in namespaces of their own:", err)
		os.Exit(1)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

var guards atomic.Int32

// dir is a directory for a guard that nobody else has.
func dir() string { return filepath.Join(Root, fmt.Sprintf("lvsd-test-%d", guards.Add(1))) }

// newGuard opens a guard for a test, in which time stands still.
func newGuard(t testing.TB) *Guard {
	t.Helper()
	g, err := open(dir(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
	})
	g.at(t, 0)
	return g
}

// at sets the time, in nanoseconds after one at which all buckets are full.
func (g *Guard) at(t testing.TB, nanoseconds uint64) {
	t.Helper()
	s, err := g.read()
	if err != nil {
		t.Fatal(err)
	}
	s.Clock = epoch + nanoseconds
	if err := g.write(s); err != nil {
		t.Fatal(err)
	}
}

const epoch = 1 << 40

func apply(t testing.TB, g *Guard, changes ...lvs.GuardChange) {
	t.Helper()
	for _, c := range changes {
		if err := g.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
}

func addVIP(addr string, v lvs.GuardVIP) lvs.GuardChange {
	return lvs.GuardVIPChange{Verb: lvs.Add, Addr: netip.MustParseAddr(addr), VIP: v}
}

func ports(list ...lvs.GuardPort) map[lvs.GuardPort]lvs.GuardLimits {
	m := map[lvs.GuardPort]lvs.GuardLimits{}
	for _, p := range list {
		m[p] = lvs.GuardLimits{}
	}
	return m
}

func prefixes(list ...string) lvs.PrefixSet {
	var b lvs.PrefixSetBuilder
	for _, p := range list {
		b.Add(netip.MustParsePrefix(p))
	}
	return b.Set()
}
