// Package edges tests the thin packages that touch the kernel (netdev, sysctl,
// firewall, kmod) on a real kernel, as root, each test in a network namespace of
// its own.
package edges

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// namespace puts the test's goroutine into a new network namespace. Its thread
// ends with it, and the namespace with the thread.
func namespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make a network namespace: %v", err)
	}
	run(t, "ip link set lo up")
}

// enter puts the calling goroutine into an existing network namespace.
func enter(ns *os.File) error {
	runtime.LockOSThread()
	return unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
}

// run runs a command, its words separated by spaces, and gives what it printed.
func run(t *testing.T, command string) string {
	t.Helper()
	words := strings.Fields(command)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// variantEnv names the environment variable that says which kind of iptables
// the tests of rules use.
const variantEnv = "LVSD_TEST_IPTABLES"

// variant makes the words iptables and ip6tables mean the programs of the kind
// that is asked for. Every kernel runs legacy, which is the default: User-Mode
// Linux has no nf_tables for IPv4, so that there the tests of nft fail.
func variant(t *testing.T) {
	t.Helper()
	switch kind := os.Getenv(variantEnv); kind {
	case "":
		useIptables(t, "legacy")
	case "legacy", "nft":
		useIptables(t, kind)
	default:
		t.Fatalf("%s=%s: expected legacy or nft", variantEnv, kind)
	}
}

func useIptables(t *testing.T, kind string) {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"iptables", "ip6tables"} {
		path, err := exec.LookPath(tool + "-" + kind)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}
