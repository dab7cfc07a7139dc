package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// preloaded are the modules that no request of user space loads by itself: the root file system, IPVS and its netlink family, and the
// receivers of encapsulated packets.
var preloaded = []string{"ip_vs", "fou", "fou6"}

// prepare turns a freshly booted guest, whose root is the host's root read-only, into a system that tests can run in.
func prepare(s *spec) error {
	if len(s.BootModules) > 0 {
		if err := mountHostRoot(s.BootModules); err != nil {
			return err
		}
	}
	release, err := kernelRelease()
	if err != nil {
		return err
	}
	mods := moduleTree{dir: filepath.Join(s.ModuleDir, release)}
	if err := mods.load("overlay"); err != nil {
		return err
	}
	if err := overlayRoot(); err != nil {
		return err
	}
	for _, m := range guestMounts {
		if err := m.mount(); err != nil {
			return err
		}
	}
	for i, dir := range s.Writable {
		if err := mountHostDir(s.Transport, i, dir); err != nil {
			return err
		}
	}
	if err := linkModules(mods.dir, release); err != nil {
		return err
	}
	for _, name := range preloaded {
		if err := mods.load(name); err != nil {
			return err
		}
	}
	if s.LegacyIptables {
		if err := useLegacyIptables(); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte("lvsd")); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	s.Env = append(s.Env, "TMPDIR="+guestTemp)
	if err := os.MkdirAll(guestTemp, 0o1777); err != nil {
		return err
	}
	// IPVS accepts no destination as long as the namespace has no local routing table, which comes with lo.
	return setLoopbackUp()
}

// guestTemp is the guest's directory for temporary files. It is not /tmp because `go test` keeps its test binary there.
const guestTemp = "/run/tmp"

type mountPoint struct {
	target, fstype, data string
	flags                uintptr
}

var guestMounts = []mountPoint{
	{target: "/proc", fstype: "proc"},
	{target: "/sys", fstype: "sysfs"},
	{target: "/sys/fs/bpf", fstype: "bpf"},
	{target: "/sys/fs/cgroup", fstype: "cgroup2"},
	{target: "/dev", fstype: "devtmpfs"},
	{target: "/dev/pts", fstype: "devpts", data: "ptmxmode=0666"},
	{target: "/dev/shm", fstype: "tmpfs", data: "mode=1777"},
	{target: "/run", fstype: "tmpfs", data: "mode=0755"},
}

func (m mountPoint) mount() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.fstype, m.target, m.fstype, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.fstype, m.target, err)
	}
	return nil
}

// overlayRoot lays guest memory over the read-only root, so that everything can be written, and nothing reaches the host. It uses /proc
// as the place to build the new root because that directory exists on every host.
func overlayRoot() error {
	const base = "/proc"
	if err := (mountPoint{target: base, fstype: "tmpfs", data: "mode=0755"}).mount(); err != nil {
		return err
	}
	for _, d := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(base, d), 0o755); err != nil {
			return err
		}
	}
	root := filepath.Join(base, "root")
	err := mountPoint{
		target: root, fstype: "overlay", data: "lowerdir=/,upperdir=" + base + "/upper,workdir=" + base + "/work",
	}.mount()
	if err != nil {
		return err
	}
	return switchRoot(root)
}

// switchRoot makes the mount at dir the root of the file system, as switch_root(8) does.
func switchRoot(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return fmt.Errorf("enter %s: %w", dir, err)
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move %s to /: %w", dir, err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return unix.Chdir("/")
}

// mountHostRoot leaves the initrd for the host's root, once the modules for reaching it are loaded.
func mountHostRoot(modules []string) error {
	for _, file := range modules {
		if err := loadModuleFile(file); err != nil {
			return err
		}
	}
	const root = "/root"
	if err := unix.Mount(ninePRootTag, root, "9p", unix.MS_RDONLY, ninePRootOptions); err != nil {
		return fmt.Errorf("mount the host's root: %w", err)
	}
	return switchRoot(root)
}

// mountHostDir mounts the i-th writable directory of the host at the same path in the guest.
func mountHostDir(transport string, i int, dir string) error {
	m := mountPoint{target: dir, fstype: transport}
	source := transport
	switch transport {
	case "hostfs":
		m.data = dir
	case "9p":
		source, m.data = shareTag(i), ninePOptions
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, dir, m.fstype, 0, m.data); err != nil {
		return fmt.Errorf("mount %s of the host: %w", dir, err)
	}
	return nil
}

// linkModules puts the guest kernel's modules where modprobe(8), and through it the kernel, looks for them.
func linkModules(dir, release string) error {
	link := filepath.Join("/lib/modules", release)
	if _, err := os.Stat(link); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	return os.Symlink(dir, link)
}

// useLegacyIptables does in the guest what `update-alternatives --set iptables /usr/sbin/iptables-legacy` would do.
func useLegacyIptables() error {
	for _, name := range []string{"iptables", "ip6tables"} {
		for _, suffix := range []string{"", "-save", "-restore"} {
			legacy := "/usr/sbin/" + name + "-legacy" + suffix
			if _, err := os.Stat(legacy); err != nil {
				continue
			}
			link := "/etc/alternatives/" + name + suffix
			if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if err := os.Symlink(legacy, link); err != nil {
				return err
			}
		}
	}
	return nil
}

// setLoopbackUp sets the interface lo of the present network namespace up.
func setLoopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

func kernelRelease() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}
