package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// specEnv names the environment variable of the guest's init that holds the path of its spec.
const specEnv = "LVSD_KERNEL_SPEC"

// initrdSpec is the path of the spec in an initrd.
const initrdSpec = "/spec.json"

// A spec tells the guest's init what to run and how to reach the host.
type spec struct {
	Args     []string
	Dir      string
	Env      []string
	Writable []string // directories of the host, at the same path in the guest
	// The guest's character devices that end in the launcher.
	Stdout, Stderr, Control string
	// BootModules are module files of the initrd that init loads, in this order, to reach the host's root. Without any the host's root is the
	// guest's from the beginning.
	BootModules []string
	// ModuleDir is the directory of the host that holds the modules of the guest's kernel, one directory per release.
	ModuleDir string
	// Transport is the file system type by which the guest reaches the host's files: hostfs or 9p.
	Transport string
	// LegacyIptables makes iptables mean iptables-legacy, for a kernel without nf_tables.
	LegacyIptables bool
}

// newSpec describes the command of o in the present directory and environment.
func newSpec(o options) (*spec, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	s := &spec{Args: o.args, Dir: dir, Env: append(passedEnv(os.Environ()), "PATH="+systemPath(os.Getenv("PATH")))}
	writable := slices.Concat(o.rw, testOutputs(o.args))
	if d := os.Getenv("GOCOVERDIR"); d != "" {
		writable = append(writable, d)
	}
	if o.out != "" {
		out, err := filepath.Abs(o.out)
		if err != nil {
			return nil, err
		}
		s.Env = append(s.Env, "LVSD_OUT="+out)
		writable = append(writable, out)
	}
	for _, d := range writable {
		if d, err = filepath.Abs(d); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
		s.Writable = append(s.Writable, d)
	}
	slices.Sort(s.Writable)
	s.Writable = slices.Compact(s.Writable)
	return s, nil
}

// testOutputs lists the directories that a Go test binary started with args writes its profiles to.
func testOutputs(args []string) []string {
	var dirs []string
	for _, a := range args {
		name, value, ok := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !ok || value == "" {
			continue
		}
		switch name {
		case "test.gocoverdir", "test.outputdir":
			dirs = append(dirs, value)
		case "test.coverprofile", "test.cpuprofile", "test.memprofile", "test.trace", "test.testlogfile":
			dirs = append(dirs, filepath.Dir(value))
		}
	}
	return dirs
}

// passedEnv keeps the variables of the environment that mean the same in the guest.
func passedEnv(env []string) []string {
	exact := []string{"CI", "HOME", "USER", "TERM", "LANG", "TZ", "KERNEL"}
	prefixes := []string{"LVSD_", "GO", "UPDATE"}
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return !slices.Contains(exact, name) &&
			!slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	})
}

// systemPath adds the directories of system programs, which an ordinary user's path lacks.
func systemPath(path string) string {
	dirs := filepath.SplitList(path)
	for _, d := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	return strings.Join(dirs, string(filepath.ListSeparator))
}

func (s *spec) marshal() ([]byte, error) { return json.Marshal(s) }

func readSpec(path string) (*spec, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := new(spec)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}
