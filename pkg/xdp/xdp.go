// Package xdp is the guard's edge of the kernel: it loads the program of bpf/,
// attaches it to interfaces and keeps its maps, and reads what it counted. It
// alone imports cilium/ebpf.
//
// Everything is pinned to a directory of a bpf file system, so that it goes on
// without its maker; who opens the directory again adopts it.
package xdp

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Root is where the bpf file system is mounted by convention.
const Root = "/sys/fs/bpf"

// Bounds of what one guard holds; bpf/guard.h has the same numbers.
const (
	MaxVIPs     = 1024 - 1 // number 0 is nobody's
	MaxPorts    = 16384    // of all VIPs together
	MaxPrefixes = 1 << 21  // of IPv6, on each list
	MaxParts    = 1 << 20  // of IPv4, networks of 27 bits with hosts that are not listed as a network of 24
)

// Below a guard's directory: the maps of each layout, and the links.
const (
	mapsPrefix = "maps-"
	linksDir   = "links"
)

// Guard is the guard of one director. Its methods may be called from several
// goroutines at once.
type Guard struct {
	dir     string
	layout  string // of the maps: the name of their directory
	objects guardObjects

	mu    sync.Mutex // held by all that writes
	lists [2]*known  // by lvs.GuardList

	sampling sync.Mutex
}

// Open loads the program and adopts what is pinned below the directory, or
// makes it. The directory is made if it is missing; it has to be in a bpf file
// system, which is mounted on Root if nothing is there. Nothing is attached and
// no packet is looked at until Apply says so. The error says which feature of
// the kernel is missing, if that is the reason.
func Open(dir string) (*Guard, error) {
	g, err := open(dir, false)
	if err == nil {
		return g, nil
	}
	for _, lack := range Probe() {
		if lack.Fatal {
			return nil, fmt.Errorf("open the guard in %s: this kernel has no %s (Linux %s and later): %w", dir, lack.Feature, lack.Since, err)
		}
	}
	return nil, fmt.Errorf("open the guard in %s: %w", dir, err)
}

func open(dir string, manualClock bool) (*Guard, error) {
	// Before Linux 5.11 maps count against this limit. An error shows when a map
	// is made, and then says more.
	_ = rlimit.RemoveMemlock()
	spec, err := loadGuard()
	if err != nil {
		return nil, err
	}
	if err := spec.Variables[guardVarManualClock].Set(manualClock); err != nil {
		return nil, err
	}
	g := &Guard{dir: dir, layout: layout(spec)}
	_, err = os.Stat(g.mapsDir())
	fresh := errors.Is(err, os.ErrNotExist)
	if err := g.makeDirs(); err != nil {
		return nil, err
	}
	for name, m := range spec.Maps {
		if !strings.HasPrefix(name, ".") {
			m.Pinning = ebpf.PinByName
		}
	}
	options := ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: g.mapsDir()}}
	if err := spec.LoadAndAssign(&g.objects, &options); err != nil {
		return nil, fmt.Errorf("load the program: %w", err)
	}
	if !fresh {
		return g, nil
	}
	if err := g.keepEmpty(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// layout names the maps by all that must be the same for a program to share
// them with another.
func layout(spec *ebpf.CollectionSpec) string {
	var lines []string
	for name, m := range spec.Maps {
		if strings.HasPrefix(name, ".") {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s %d %d %d %d %v %v", name, m.Type, m.KeySize, m.ValueSize, m.MaxEntries, m.Flags, m.Key, m.Value))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s%x", mapsPrefix, sha256.Sum256([]byte(strings.Join(lines, "\n"))))[:len(mapsPrefix)+16]
}

func (g *Guard) mapsDir() string { return filepath.Join(g.dir, g.layout) }

// makeDirs makes the directories, and mounts the bpf file system if the machine
// has left that to its first user.
func (g *Guard) makeDirs() error {
	if strings.HasPrefix(g.dir, Root+"/") && !isBPF(Root) {
		if err := unix.Mount("bpf", Root, "bpf", 0, "mode=0700"); err != nil {
			return fmt.Errorf("mount a bpf file system on %s: %w", Root, err)
		}
	}
	for _, dir := range []string{g.mapsDir(), filepath.Join(g.dir, linksDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if !isBPF(g.dir) {
		return errors.New("it is not in a bpf file system (mount -t bpf bpf " + Root + ")")
	}
	return nil
}

func isBPF(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == unix.BPF_FS_MAGIC
}

// Close gives up what this process holds. What is attached goes on.
func (g *Guard) Close() error { return g.objects.Close() }

// Remove detaches the guard from all interfaces and removes all that is pinned.
// The guard must not be used after it.
func (g *Guard) Remove() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for _, path := range g.links() {
		errs = append(errs, dropPinned(path))
	}
	errs = append(errs, os.RemoveAll(g.dir), g.objects.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the guard in %s: %w", g.dir, err)
	}
	return nil
}

// prune removes the maps of other layouts, once no attached program has them.
func (g *Guard) prune() error {
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), mapsPrefix) && e.Name() != g.layout {
			errs = append(errs, os.RemoveAll(filepath.Join(g.dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// Observe reads what the guard holds. Lists that are as wanted are recognised by
// a digest that the kernel keeps; others are read, which takes seconds for a
// million prefixes. Interfaces that are gone are not among those attached.
func (g *Guard) Observe(want lvs.Guard) (lvs.Guard, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	have, err := g.observe(want)
	if err != nil {
		return lvs.Guard{}, fmt.Errorf("read the guard: %w", err)
	}
	return have, nil
}

func (g *Guard) observe(want lvs.Guard) (have lvs.Guard, err error) {
	if have.GuardSettings, err = g.settings(); err != nil {
		return have, err
	}
	if have.VIPs, err = g.vips(); err != nil {
		return have, err
	}
	if have.Allow, err = g.list(lvs.AllowList, want.Allow); err != nil {
		return have, err
	}
	if have.Block, err = g.list(lvs.BlockList, want.Block); err != nil {
		return have, err
	}
	have.Interfaces, err = g.interfaces()
	return have, err
}

// Apply makes one change. Packets are looked at meanwhile, by what was there
// before or by what comes; only a change of mode, which the kernel cannot do
// otherwise, detaches for a moment. An error leaves the state before, except
// that a list may have been changed in part: the next Observe shows it as it is.
//
// An interface with another XDP program is an error that names the program: a
// guard never takes its place, and does not chain itself into libxdp's dispatcher.
func (g *Guard) Apply(c lvs.GuardChange) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.apply(c); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

func (g *Guard) apply(c lvs.GuardChange) error {
	switch c := c.(type) {
	case lvs.GuardAttach:
		switch c.Verb {
		case lvs.Add:
			return g.attach(c.Interface, c.Link.Mode)
		case lvs.Set:
			return g.replace(c.Interface, c.Link.Mode)
		case lvs.Delete:
			return g.detach(c.Interface)
		}
	case lvs.GuardSet:
		return g.set(c.Settings)
	case lvs.GuardVIPChange:
		if c.Verb == lvs.Delete {
			return g.deleteVIP(c.Addr)
		}
		return g.setVIP(c.Addr, c.VIP)
	case lvs.GuardPrefixes:
		return g.setList(c.List, c.Prefixes)
	}
	return errors.New("no such change")
}

// read gives the settings as the kernel has them.
func (g *Guard) read() (s guardSettings, err error) {
	if err := g.objects.Config.Lookup(uint32(0), &s); err != nil {
		return s, fmt.Errorf("read the settings: %w", err)
	}
	return s, nil
}

func (g *Guard) write(s guardSettings) error {
	if err := g.objects.Config.Put(uint32(0), &s); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	return nil
}

func (g *Guard) settings() (lvs.GuardSettings, error) {
	s, err := g.read()
	return lvs.GuardSettings{Enforce: s.Enforce != 0, Sample: s.Sample}, err
}

func (g *Guard) set(to lvs.GuardSettings) error {
	s, err := g.read()
	if err != nil {
		return err
	}
	s.Enforce, s.Sample, s.SampleCost = 0, to.Sample, 0
	if to.Enforce {
		s.Enforce = 1
	}
	if to.Sample > 0 {
		s.SampleCost = cost(to.Sample)
	}
	return g.write(s)
}
