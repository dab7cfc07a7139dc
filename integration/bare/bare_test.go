// Package bare tests lvsd on a kernel without IPVS. It takes the module out of
// the kernel for good, so it runs in a guest only (KERNEL=uml or qemu), which
// must be its own.
package bare

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/cli"
)

// asCommand makes this test binary be lvsd.
const asCommand = "LVSD_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "" {
		os.Exit(m.Run())
	}
	os.Exit(cli.Run(context.Background(), cli.Env{
		Args: os.Args[1:], Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Version: "test",
	}))
}

const config = `[director]
state_dir = "%DIR%/state"
data_dir = "%DIR%/data"
[virtual.web]
vip = "192.0.2.1:80"
forwarding = "nat"
snat = true
real.web1 = "10.0.0.1"
[vip]
lo = ["192.0.2.1/32"]
[nat]
masquerade = ["10.0.0.0/24"]
[timeouts]
tcp = "10m"
`

// Whatever lvsd is told to do without IPVS, it says in one line what is missing
// and why it cannot be loaded, and changes nothing.
func TestWithoutIPVS(t *testing.T) {
	withoutIPVS(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "director.toml")
	must(t, os.WriteFile(path, []byte(strings.ReplaceAll(config, "%DIR%", dir)), 0o600))
	for _, kernel := range []struct {
		name  string
		hide  string
		cause string
	}{
		{"module missing", filepath.Dir(modules(t)), "modprobe: FATAL: Module ip_vs not found in directory /lib/modules/"},
		{"modprobe missing", "/usr/sbin", "no program modprobe: install the package kmod, or load the module from outside"},
	} {
		must(t, unix.Mount("none", kernel.hide, "tmpfs", 0, ""))
		for _, command := range []string{"plan", "apply", "director", "status"} {
			t.Run(kernel.name+"/"+command, func(t *testing.T) {
				before := world(t)
				c := exec.Command(os.Args[0], command, "-c", path)
				c.Env = append(os.Environ(), asCommand+"=1", "PATH=/usr/bin")
				var stdout, stderr bytes.Buffer
				c.Stdout, c.Stderr = &stdout, &stderr
				err := c.Run()
				const missing = "lvsd: open ipvs: the running kernel has no IPVS (module ip_vs): load kernel module ip_vs: "
				got := stderr.String()
				if c.ProcessState.ExitCode() != 1 || stdout.Len() > 0 || strings.Count(got, "\n") != 1 ||
					!strings.HasPrefix(got, missing) || !strings.Contains(got, kernel.cause) {
					t.Errorf("%v; standard output %q, standard error:\n%s\nwant: %s…%s", err, stdout.String(), got, missing, kernel.cause)
				}
				if diff := cmp.Diff(before, world(t)); diff != "" {
					t.Errorf("something changed (-before +after):\n%s", diff)
				}
				if _, err := os.Stat(filepath.Join(dir, "state")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the state directory is there: %v", err)
				}
			})
		}
	}
}

// withoutIPVS takes IPVS out of the kernel and keeps the kernel from loading it
// again.
func withoutIPVS(t *testing.T) {
	t.Helper()
	if init, err := os.ReadFile("/proc/1/environ"); err != nil || !bytes.Contains(init, []byte("LVSD_KERNEL_SPEC=")) {
		t.Fatal("this takes IPVS out of the kernel, so it is for a guest: set KERNEL to uml or qemu")
	}
	must(t, os.WriteFile("/proc/sys/kernel/modprobe", []byte("\n"), 0o600))
	must(t, unix.DeleteModule("ip_vs", unix.O_NONBLOCK))
	if _, err := os.Stat("/proc/net/ip_vs"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("IPVS is still there: %v", err)
	}
}

// modules is where the running kernel's modules are.
func modules(t *testing.T) string {
	t.Helper()
	var u unix.Utsname
	must(t, unix.Uname(&u))
	path, err := filepath.EvalSymlinks("/lib/modules/" + unix.ByteSliceToString(u.Release[:]))
	must(t, err)
	return path
}

// world is what a director changes in a kernel, but for IPVS.
func world(t *testing.T) map[string]string {
	t.Helper()
	now := map[string]string{}
	for _, path := range []string{"/proc/modules", "/proc/sys/net/ipv4/ip_forward", "/proc/net/ip_tables_names", "/proc/net/fib_trie"} {
		data, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		now[path] = string(data)
	}
	return now
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
