package packaging

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// patience is how long a test waits for what must happen soon.
const patience = 60 * time.Second

// machine is a host of the lab that systemd has booted, as a container's first process: with processes, mounts and control groups of its own.
// Its files are the guest's.
type machine struct {
	t    *testing.T
	host *lab.Host
	pid  string // of systemd
}

// booting becomes systemd. The target is all that is started: units come when they are asked for.
const booting = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mkdir -p /sys/fs/cgroup/machine
echo 0 >/sys/fs/cgroup/machine/cgroup.procs
exec unshare --cgroup sh -ec '
	umount /sys/fs/cgroup
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t tmpfs tmpfs /run
	exec env -i container=lvsd PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=lab.target --show-status=no'
`

const target = `[Unit]
Description=The lab
DefaultDependencies=no
AllowIsolate=yes
`

// needless are units that the host's own packages have, and that have nothing to do here.
var needless = []string{
	"systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udevd-kernel.socket", "systemd-udevd-control.socket",
	"systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "systemd-journal-flush.service", "systemd-update-utmp.service",
	"systemd-networkd-wait-online.service", "systemd-timesyncd.service", "keyboard-setup.service", "systemd-random-seed.service",
	"systemd-pstore.service", "systemd-remount-fs.service", "systemd-boot-system-token.service", "e2scrub_reap.service", "modprobe@.service",
	"systemd-modules-load.service", "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
	"systemd-sysctl.service", "systemd-sysusers.service", "systemd-tmpfiles-setup.service", "systemd-tmpfiles-setup-dev.service",
}

// boot starts systemd on a host.
func boot(t *testing.T, host *lab.Host) *machine {
	t.Helper()
	units := "/etc/systemd/system"
	labtest.NoError(t, os.WriteFile(filepath.Join(units, "lab.target"), []byte(target), 0o644))
	for _, name := range needless {
		path := filepath.Join(units, name)
		_ = os.Remove(path)
		labtest.NoError(t, os.Symlink(os.DevNull, path))
	}
	var log bytes.Buffer
	c := host.Command(context.Background(), "sh", "-c", booting)
	c.Stdout, c.Stderr = &log, &log
	c.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	labtest.NoError(t, c.Start())
	m := &machine{t: t, host: host, pid: itoa(c.Process.Pid)}
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			t.Logf("systemd: %s", log.String())
		}
	})
	m.eventually("systemd has booted", func() bool {
		_, err := m.try("systemctl", "is-active", "--quiet", "lab.target")
		return err == nil
	})
	return m
}

// try runs a command on the machine and gives its output, of both kinds.
func (m *machine) try(args ...string) (string, error) {
	c := m.host.Command(m.t.Context(), "nsenter", append([]string{"-t", m.pid, "-p", "-m", "-C", "--"}, args...)...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	err := c.Run()
	return strings.TrimSpace(out.String()), err
}

// run is try for what must succeed.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, m.journal())
	}
	return out
}

// journal is what the director has said.
func (m *machine) journal() string {
	out, _ := m.try("journalctl", "-u", "lvsd.service", "--no-pager", "-o", "cat")
	return out
}

// property is one of a unit's.
func (m *machine) property(name string) string {
	m.t.Helper()
	return m.run("systemctl", "show", "--property", name, "--value", "lvsd.service")
}

func (m *machine) eventually(what string, ok func() bool) {
	m.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if ok() {
			return
		}
	}
	m.t.Fatalf("not within %s: %s\n%s", patience, what, m.journal())
}
