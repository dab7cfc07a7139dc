// Package kmod loads kernel modules.
package kmod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// Has tells whether the kernel has a module, loaded or built in. It also says yes
// on a kernel that cannot load modules: whatever that lacks, the one who needs it
// will hear from the kernel itself.
func Has(module string) (bool, error) {
	if err := check(module); err != nil {
		return false, err
	}
	for _, has := range []func(string) (bool, error){loaded, builtin, monolithic} {
		if yes, err := has(module); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}

// Load loads a module, and what it depends on, with modprobe. It is fine if Has
// says that the kernel has it already.
func Load(ctx context.Context, module string) error {
	has, err := Has(module)
	if has || err != nil {
		return err
	}
	path, err := modprobe()
	if err != nil {
		return fmt.Errorf("load kernel module %s: %w", module, err)
	}
	out, err := exec.CommandContext(ctx, path, module).CombinedOutput()
	if err != nil {
		return fmt.Errorf("load kernel module %s: %w: %s", module, err, bytes.Join(bytes.Fields(out), []byte(" ")))
	}
	return nil
}

var name = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

func check(module string) error {
	if !name.MatchString(module) {
		return fmt.Errorf("%q is not the name of a kernel module", module)
	}
	return nil
}

// spelling is the kernel's own: it takes dashes for underscores.
func spelling(module string) string { return strings.ReplaceAll(module, "-", "_") }

func loaded(module string) (bool, error) { return exists("/sys/module/" + spelling(module)) }

// monolithic tells whether this is a kernel without loadable modules.
func monolithic(string) (bool, error) {
	modular, err := exists("/proc/modules")
	return !modular && err == nil, err
}

// builtin looks the module up in the list that the kernel's build left behind:
// /sys/module shows only those built-in modules that have parameters.
func builtin(module string) (bool, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false, fmt.Errorf("read the kernel's release: %w", err)
	}
	list, err := os.ReadFile("/lib/modules/" + unix.ByteSliceToString(u.Release[:]) + "/modules.builtin")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the list of built-in modules: %w", err)
	}
	return listed(string(list), module), nil
}

// listed tells whether a module is in a list of lines such as
// kernel/net/netfilter/xt_mark.ko.
func listed(list, module string) bool {
	return strings.Contains("\n"+spelling(list), "/"+spelling(module)+".ko\n")
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// modprobe finds the program that the kernel itself would run (which knows where
// this machine's modules are), or else the usual one.
func modprobe() (string, error) {
	kernels, _ := os.ReadFile("/proc/sys/kernel/modprobe") // absent: not the kernel's choice then
	for _, candidate := range []string{strings.TrimSpace(string(kernels)), "/sbin/modprobe", "modprobe"} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no program modprobe: install the package kmod, or load the module from outside")
}
