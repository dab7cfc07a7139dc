package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	umlBinary  = "/usr/bin/linux.uml"
	umlModules = "/usr/lib/uml/modules"
)

// umlKernel boots User-Mode Linux: a kernel that is an ordinary process and needs neither privilege nor virtualisation.
type umlKernel struct {
	binary  string
	modules string
	memory  string
	tap     string // device that is the guest's vec0; "" for none
	verbose bool
}

// newUML takes the kernel that hack/stock has fetched, or else the one that is installed.
func newUML(o options) (launcher, error) {
	root, _ := above(filepath.Join(stockDir, "uml"))
	u := umlKernel{binary: root + umlBinary, modules: root + umlModules, memory: o.memory, tap: o.tap, verbose: o.verbose}
	for _, path := range []string{u.binary, u.modules} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("no kernel with IPVS: install the Debian packages user-mode-linux and kmod (hack/deps does), or run as root on a machine whose kernel has IPVS: %w", err)
		}
	}
	return u, nil
}

func (u umlKernel) run(ctx context.Context, s *spec, signals <-chan os.Signal) (int, error) {
	g, err := newGuest(u.verbose)
	if err != nil {
		return exitFailure, err
	}
	defer g.close()
	self, err := os.Executable()
	if err != nil {
		return exitFailure, err
	}
	// Console 0 is the kernel's; the others carry the command's streams.
	s.Stdout, s.Stderr, s.Control = "/dev/tty1", "/dev/tty2", "/dev/tty3"
	s.ModuleDir, s.Transport, s.LegacyIptables = u.modules, "hostfs", true
	specPath := filepath.Join(g.dir, "spec.json")
	b, err := s.marshal()
	if err != nil {
		return exitFailure, err
	}
	if err := os.WriteFile(specPath, b, 0o600); err != nil {
		return exitFailure, err
	}
	memoryDir, err := umlMemoryDir(g.dir, u.memory)
	if err != nil {
		return exitFailure, err
	}
	cmd := exec.Command(u.binary,
		"mem="+u.memory,
		"root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
		"init="+self, specEnv+"="+specPath,
		"uml_dir="+g.dir, "umid=guest",
		"con=null", "ssl=null", "con0=null,fd:1",
		"con1=null,fd:3", "con2=null,fd:4", "con3=fd:5,fd:6",
		"quiet", "panic=-1",
	)
	if u.tap != "" {
		cmd.Args = append(cmd.Args, "vec0:transport=tap,ifname="+u.tap+",depth=128,gro=1")
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "TMPDIR=" + memoryDir}
	if err := g.attachPipes(cmd); err != nil {
		return exitFailure, err
	}
	return g.run(ctx, cmd, signals)
}

// umlMemoryDir picks where User-Mode Linux keeps the file that is the guest's memory: /dev/shm if it is large enough (in containers it
// often is not, and the guest would die of SIGBUS), else a directory on disk.
func umlMemoryDir(fallback, memory string) (string, error) {
	const shm = "/dev/shm"
	need, err := parseSize(memory)
	if err != nil {
		return "", err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(shm, &fs); err == nil && fs.Type == unix.TMPFS_MAGIC && fs.Bavail*uint64(fs.Bsize) >= need {
		return shm, nil
	}
	return fallback, nil
}

// parseSize reads a memory size as the kernel's mem= does: a number with an optional K, M or G.
func parseSize(s string) (uint64, error) {
	var n uint64
	var unit string
	if _, err := fmt.Sscanf(s, "%d%s", &n, &unit); err != nil && unit != "" || n == 0 {
		return 0, fmt.Errorf("memory size %q is not a number with K, M or G", s)
	}
	shift, ok := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30}[unit]
	if !ok {
		return 0, fmt.Errorf("memory size %q is not a number with K, M or G", s)
	}
	return n << shift, nil
}
