package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	qemuBinary = "qemu-system-x86_64"
	// stockDir holds the kernels that hack/stock has fetched, in a directory for each version.
	stockDir = "build/kernels"
	// The guest's cache of the read-only root may be as loose as it likes. That of writable directories may not.
	ninePOptions     = "trans=virtio,version=9p2000.L,msize=524288"
	ninePRootOptions = ninePOptions + ",cache=loose"
	ninePRootTag     = "host"
)

// qemuBootModules are what the guest needs to reach the host's files and the launcher.
var qemuBootModules = []string{"virtio_pci", "9pnet_virtio", "9p", "virtio_console"}

// qemuKernel boots a stock kernel of Debian in QEMU. It emulates the processor: where KVM is offered it does not always work.
type qemuKernel struct {
	binary  string
	image   string
	modules string // directory of the host with the modules of kernels, one directory per release
	release string
	memory  string
	verbose bool
}

// newQEMU takes the kernel of a version that hack/stock has fetched, or for "" the one that is installed.
func newQEMU(version string, o options) (launcher, error) {
	q := qemuKernel{memory: o.memory, verbose: o.verbose}
	var err error
	if q.binary, err = exec.LookPath(qemuBinary); err != nil {
		return nil, errors.New("KERNEL=qemu: no " + qemuBinary + ": install the Debian package qemu-system-x86 (hack/deps emulator does)")
	}
	if version == "" {
		if !q.find("/") {
			return nil, errors.New("KERNEL=qemu: no kernel in /boot with its modules: install the Debian package linux-image-amd64 (hack/deps qemu does)")
		}
		return q, nil
	}
	root, ok := above(filepath.Join(stockDir, version))
	if !ok || !q.find(root) {
		return nil, fmt.Errorf("KERNEL=qemu:%[1]s: no kernel in %[2]s/%[1]s: hack/stock %[1]s fetches it", version, stockDir)
	}
	return q, nil
}

// find looks for a kernel in a tree like a Debian's root. Of several the last to be installed is taken: the names do not sort as versions
// do.
func (q *qemuKernel) find(root string) bool {
	images, _ := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*")) // the pattern is right
	slices.SortFunc(images, func(a, b string) int { return modTime(b).Compare(modTime(a)) })
	q.modules = filepath.Join(root, "lib/modules")
	for _, image := range images {
		q.image, q.release = image, strings.TrimPrefix(filepath.Base(image), "vmlinuz-")
		if _, err := os.Stat(filepath.Join(q.modules, q.release, "modules.dep")); err == nil {
			return true
		}
	}
	return false
}

// above finds a path in the working directory or the nearest directory above it: go test runs in the package's.
func above(path string) (string, bool) {
	dir, err := os.Getwd()
	for err == nil {
		full := filepath.Join(dir, path)
		if _, err := os.Stat(full); err == nil {
			return full, true
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return "", false
}

func modTime(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (q qemuKernel) run(ctx context.Context, s *spec, signals <-chan os.Signal) (int, error) {
	g, err := newGuest(q.verbose)
	if err != nil {
		return exitFailure, err
	}
	defer g.close()
	s.Stdout, s.Stderr, s.Control = "/dev/vport0p1", "/dev/vport0p2", "/dev/vport0p3"
	s.ModuleDir, s.Transport = q.modules, "9p"
	initrd := filepath.Join(g.dir, "initrd")
	if err := q.writeInitrd(initrd, s); err != nil {
		return exitFailure, fmt.Errorf("make initrd: %w", err)
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", strconv.Itoa(runtime.NumCPU()), "-m", q.memory,
		"-kernel", q.image, "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1 " + specEnv + "=" + initrdSpec,
		// The guest numbers its ports by the place of their controller among the virtio devices: it comes first.
		"-device", "virtio-serial-pci,id=serial",
		"-device", "virtio-rng-pci",
	}
	args = append(args, share(ninePRootTag, "/", ",readonly=on")...)
	for i, dir := range s.Writable {
		args = append(args, share(shareTag(i), dir, "")...)
	}
	ports, err := g.listenPorts(3)
	if err != nil {
		return exitFailure, err
	}
	for i, l := range ports {
		id := "port" + strconv.Itoa(i+1)
		args = append(args, "-chardev", "socket,id="+id+",path="+l.Addr().String(),
			"-device", fmt.Sprintf("virtserialport,bus=serial.0,nr=%d,chardev=%s", i+1, id))
	}
	return g.run(ctx, exec.Command(q.binary, args...), signals)
}

// share gives a directory of the host to the guest.
func share(tag, dir, more string) []string {
	return []string{
		"-fsdev", "local,id=" + tag + ",path=" + dir + ",security_model=none,multidevs=remap" + more,
		"-device", "virtio-9p-pci,fsdev=" + tag + ",mount_tag=" + tag,
	}
}

// shareTag names the share of the i-th writable directory; a tag has room for 31 characters only.
func shareTag(i int) string { return "writable" + strconv.Itoa(i) }

// writeInitrd makes the first root of the guest: the launcher as init, its spec, and the modules that are needed to reach the host.
func (q qemuKernel) writeInitrd(path string, s *spec) error {
	tree := moduleTree{dir: filepath.Join(q.modules, q.release)}
	var files []string
	for _, name := range qemuBootModules {
		f, err := tree.files(name)
		if err != nil {
			return err
		}
		files = append(files, f...)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	a := &archive{w: out}
	a.dir("dev", "root")
	a.copy("init", self)
	for i, f := range files {
		name := fmt.Sprintf("%02d-%s", i, filepath.Base(f))
		a.copy(name, filepath.Join(tree.dir, f))
		s.BootModules = append(s.BootModules, "/"+name)
	}
	b, err := s.marshal()
	if err != nil {
		return err
	}
	a.file(initrdSpec[1:], b)
	return errors.Join(a.end(), out.Close())
}

// listenPorts makes sockets that QEMU connects the guest's ports to: standard output, standard error and control.
func (g *vm) listenPorts(n int) ([]net.Listener, error) {
	var ports []net.Listener
	for i := range n {
		l, err := net.Listen("unix", filepath.Join(g.dir, "port"+strconv.Itoa(i+1)))
		if err != nil {
			return nil, err
		}
		g.closers = append(g.closers, l)
		ports = append(ports, l)
	}
	g.connect = func() error {
		var conns []io.ReadWriter
		for _, l := range ports {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			g.closers = append(g.closers, c)
			conns = append(conns, c)
		}
		g.stdout, g.stderr, g.control = conns[0], conns[1], conns[2]
		return nil
	}
	return ports, nil
}
