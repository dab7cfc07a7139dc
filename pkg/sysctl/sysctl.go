// Package sysctl reads and sets kernel parameters below /proc/sys. Those of the
// network are the ones of the calling thread's network namespace.
package sysctl

import (
	"fmt"
	"os"
	"strings"
)

// FS is the parameters of the running kernel.
type FS struct{ root *os.Root }

// Open opens /proc/sys. Nothing outside of it can be reached through an FS.
func Open() (*FS, error) {
	root, err := os.OpenRoot("/proc/sys")
	if err != nil {
		return nil, fmt.Errorf("open the kernel's parameters: %w", err)
	}
	return &FS{root: root}, nil
}

// Close releases /proc/sys.
func (f *FS) Close() error { return f.root.Close() }

// Read gives a parameter's value: several fields are separated by one space each.
// It is fs.ErrNotExist if the kernel has no such parameter.
func (f *FS) Read(key string) (string, error) {
	path, err := Path(key)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	data, err := f.root.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	return Normalize(string(data)), nil
}

// Write sets a parameter. The kernel may keep another value than was written, or
// refuse it: then the error is its errno, such as unix.EINVAL.
func (f *FS) Write(key, value string) error {
	path, err := Path(key)
	if err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	file, err := f.root.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	defer file.Close()
	if _, err := file.WriteString(value); err != nil {
		return fmt.Errorf("set %s to %q: %w", key, value, err)
	}
	return nil
}

// Normalize gives a value the form in which Read gives it.
func Normalize(value string) string { return strings.Join(strings.Fields(value), " ") }

// Path turns a key into a path below /proc/sys, as sysctl(8) does: dots separate
// the parts, and a slash stands for a dot inside one of them, as in
// net.ipv4.conf.eth0/100.rp_filter. If a slash comes first, the slashes separate
// and dots are dots.
func Path(key string) (string, error) {
	path := key
	if dot, slash := strings.Index(key, "."), strings.Index(key, "/"); slash < 0 || dot >= 0 && dot < slash {
		path = strings.NewReplacer(".", "/", "/", ".").Replace(key)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return "", fmt.Errorf("%q is not the key of a kernel parameter", key)
		}
	}
	if strings.ContainsFunc(path, unprintable) {
		return "", fmt.Errorf("%q is not the key of a kernel parameter", key)
	}
	return path, nil
}

func unprintable(r rune) bool { return r <= ' ' || r == 0x7f }

// InterfaceKey is the key of an interface's own parameter: InterfaceKey("ipv4",
// "eth0.100", "rp_filter") is net.ipv4.conf.eth0/100.rp_filter.
func InterfaceKey(family, name, parameter string) string {
	return "net." + family + ".conf." + strings.ReplaceAll(name, ".", "/") + "." + parameter
}
