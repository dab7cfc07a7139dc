package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A moduleTree is a directory of kernel modules with its modules.dep. It serves before modprobe(8) can: that needs a root with
// /lib/modules.
type moduleTree struct{ dir string }

// files lists the module and what it depends on, in the order of loading. A module that the tree lacks is assumed to be built into the
// kernel, and gives an empty list.
func (t moduleTree) files(name string) ([]string, error) {
	f, err := os.Open(filepath.Join(t.dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// kernel/net/netfilter/ipvs/ip_vs.ko: the/last/needed.ko … the/first/needed.ko
		file, needs, ok := strings.Cut(lines.Text(), ":")
		if !ok || moduleName(file) != moduleName(name) {
			continue
		}
		files := append([]string{file}, strings.Fields(needs)...)
		slices.Reverse(files)
		return files, nil
	}
	return nil, lines.Err()
}

// load loads a module and what it depends on. A loaded one is no error.
func (t moduleTree) load(name string) error {
	files, err := t.files(name)
	if err != nil {
		return fmt.Errorf("load module %s: %w", name, err)
	}
	for _, file := range files {
		if err := loadModuleFile(filepath.Join(t.dir, file)); err != nil {
			return err
		}
	}
	return nil
}

// loadModuleFile loads one .ko file; a loaded module is no error.
func loadModuleFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := 0
	if filepath.Ext(path) != ".ko" {
		flags = unix.MODULE_INIT_COMPRESSED_FILE
	}
	if err := unix.FinitModule(int(f.Fd()), "", flags); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load %s: %w", path, err)
	}
	return nil
}

// moduleName turns a file name of a module into the kernel's name for it: /a/b/xt-mark.ko and xt-mark.ko.xz are xt_mark.
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}
