package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPassedEnv(t *testing.T) {
	got := passedEnv([]string{"CI=true", "LVSD_SOCKET=/run/x", "GOCOVERDIR=/c", "SECRET=x", "CIRCLE=1", "PATH=/bin"})
	if diff := cmp.Diff([]string{"CI=true", "LVSD_SOCKET=/run/x", "GOCOVERDIR=/c"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTestOutputs(t *testing.T) {
	args := []string{"/tmp/x.test", "-test.v=true", "-test.coverprofile=/tmp/b/_cover_.out", "-test.gocoverdir=/tmp/c", "-test.run=x=y"}
	if diff := cmp.Diff([]string{"/tmp/b", "/tmp/c"}, testOutputs(args)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSplit(t *testing.T) {
	names := strings.Fields("TestA TestB TestC TestD TestE TestF TestG TestH TestI")
	want := [][]string{{"TestA", "TestC", "TestE", "TestG", "TestI"}, {"TestB", "TestD", "TestF", "TestH"}}
	if diff := cmp.Diff(want, split(names, 2)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := split(names[:3], 2); got != nil {
		t.Errorf("three tests are split: %v", got)
	}
}

// A test binary that is told what to run, and what is none, stay whole.
func TestTestNames(t *testing.T) {
	if got := testNames([]string{os.Args[0], "-test.v=true"}); !slices.Contains(got, "TestTestNames") {
		t.Errorf("got %v", got)
	}
	for _, args := range [][]string{{os.Args[0], "-test.run=TestSplit"}, {os.Args[0], "--test.skip=x"}, {"/bin/true"}} {
		if got := testNames(args); got != nil {
			t.Errorf("%v: got %v", args, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]uint64{"2G": 2 << 30, "512M": 512 << 20, "4K": 4096, "1024": 1024, "": 0, "G": 0, "2T": 0, "-1G": 0, "0": 0} {
		got, err := parseSize(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q is %d, error %v, want %d", text, got, err, want)
		}
	}
}

func TestModuleFiles(t *testing.T) {
	tree := moduleTree{dir: t.TempDir()}
	dep := "kernel/a.ko:\nkernel/b-c.ko.xz: kernel/d.ko kernel/a.ko\nkernel/d.ko: kernel/a.ko\n"
	if err := os.WriteFile(filepath.Join(tree.dir, "modules.dep"), []byte(dep), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"b_c":    {"kernel/a.ko", "kernel/d.ko", "kernel/b-c.ko.xz"},
		"a":      {"kernel/a.ko"},
		"absent": nil,
	} {
		got, err := tree.files(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestChooseRefuses(t *testing.T) {
	for kernel, want := range map[string]string{
		"xen":      "none of host, uml, qemu",
		"uml:5.10": "only qemu takes a version",
		"qemu:":    "only qemu takes a version",
	} {
		if _, err := choose(kernel, options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("KERNEL=%s: got %v, want %q", kernel, err, want)
		}
	}
}

// Of two kernels in a tree one has no modules. The tree is found from a directory below.
func TestFindKernel(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"tree/boot", "tree/lib/modules/6.12.1+deb13-amd64", "below/it"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"boot/vmlinuz-6.12.1+deb13-amd64", "boot/vmlinuz-6.12.2+deb13-amd64", "lib/modules/6.12.1+deb13-amd64/modules.dep"} {
		if err := os.WriteFile(filepath.Join(root, "tree", file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(root, "below/it"))
	tree, ok := above("tree")
	if !ok || tree != filepath.Join(root, "tree") {
		t.Fatalf("found %q, %t", tree, ok)
	}
	var q qemuKernel
	if !q.find(tree) || q.release != "6.12.1+deb13-amd64" {
		t.Errorf("got %+v", q)
	}
	if q.find(root) {
		t.Errorf("a kernel where there is none: %+v", q)
	}
	if path, ok := above("tree/boot/none"); ok {
		t.Errorf("found %q", path)
	}
}

// TestLauncher runs the launcher in whatever kernel it chooses.
func TestLauncher(t *testing.T) {
	launcher := filepath.Join(t.TempDir(), "kernel")
	build := exec.Command("go", "build", "-o", launcher, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Run("command", func(t *testing.T) { testCommand(t, launcher) })
	t.Run("signal", func(t *testing.T) { testSignal(t, launcher) })
	t.Run("timeout", func(t *testing.T) {
		if got := exitCode(t, exec.Command(launcher, "-timeout", "100ms", "sleep", "1000").Run()); got != exitTimeout {
			t.Errorf("exit status %d, want %d", got, exitTimeout)
		}
	})
}

func testCommand(t *testing.T, launcher string) {
	out := t.TempDir()
	script := `pwd; echo oops >&2; cat /proc/net/ip_vs; seq 200000; echo kept > $LVSD_OUT/file; exit 7`
	cmd := exec.Command(launcher, "-out", out, "--", "sh", "-c", script)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if got := exitCode(t, cmd.Run()); got != 7 {
		t.Errorf("exit status %d, want 7", got)
	}
	if got := stderr.String(); got != "oops\n" {
		t.Errorf("standard error is %q", got)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(stdout.String(), "\n")
	if lines[0] != dir {
		t.Errorf("working directory %q, want %q", lines[0], dir)
	}
	if !strings.HasPrefix(lines[1], "IP Virtual Server") {
		t.Errorf("no IPVS: %q", lines[1])
	}
	if got, want := len(lines), 1+3+200000+1; got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
	if b, err := os.ReadFile(filepath.Join(out, "file")); err != nil || string(b) != "kept\n" {
		t.Errorf("the output directory has %q, %v", b, err)
	}
}

func testSignal(t *testing.T, launcher string) {
	cmd := exec.Command(launcher, "sh", "-c", `trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done`)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := exitCode(t, cmd.Wait()); got != 5 {
		t.Errorf("exit status %d, want 5", got)
	}
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}
