// Package packaging tests the Debian package on a machine that systemd has booted: it is installed, started, upgraded under load, removed and
// purged, and the director works under the restrictions of its unit. It installs packages into the root file system, so it runs in a guest
// only (KERNEL=uml or qemu), where that vanishes. The packages are those that `make packages` builds.
package packaging

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// The versions that `make packages` gives to the packages.
const (
	oldVersion = "1.0.0"
	newVersion = "1.0.1"
)

func itoa(n int) string { return strconv.Itoa(n) }

// deb is the package of a version.
func deb(t *testing.T, version string) string {
	t.Helper()
	found, _ := filepath.Glob("../../build/packages/lvsd_" + version + "_*.deb")
	if len(found) != 1 {
		t.Fatalf("no package of version %s in build/packages: `make packages` builds it", version)
	}
	return labtest.Must(filepath.Abs(found[0]))(t)
}

// config uses all that needs a privilege: addresses, rules, parameters, marks, raw sockets, VRRP, the sync daemons, programs run as another
// user, and a priority for the thread of VRRP. It is patient: dpkg keeps the only processor of User-Mode Linux busy.
const config = `[director]
name = "lb1"
resync = "1s"
group = "lvsd-check"

[vip]
eth0 = "10.0.1.200/32"

[nat]
masquerade = ["10.9.0.0/24"]

[vrrp.front]
interface = "eth0"
id = 51
interval = "2s"
vips = ["10.0.1.201/32"]

[vrrp.front.track]
script = { command = ["/usr/bin/test", "-e", "/"], interval = "5s", timeout = "5s", fall = 5 }

[sync]
interface = "eth0"

[virtual.web]
vip = ["10.0.1.200:80", "10.0.1.201:80"]
forwarding = "dr"
scheduler = "rr"
real.rs1 = "10.0.1.101"
real.rs2 = "10.0.1.102"

[virtual.web.checks]
page = { type = "http", via = "vip", timeout = "20s", fall = 5 }
ping = { type = "icmp", timeout = "20s", fall = 5 }
program = { type = "exec", command = ["/usr/bin/test", "-n", "{address}"], user = "lvsd-check", timeout = "20s", fall = 5 }

[notify.script]
type = "exec"
command = ["/bin/sh", "-c", "touch /tmp/told"]
user = "lvsd-check"

[virtual.ftp]
vip = "10.0.1.200:21"
forwarding = "nat"
real.rs1 = "10.0.1.101"
`

func TestPackage(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	for _, name := range []string{"rs1", "rs2"} {
		labtest.Must(l.Host(name).Web(":80"))(t)
		labtest.NoError(t, l.Host(name).TakeVIP(lab.VIP4))
		labtest.NoError(t, l.Host(name).TakeVIP(lab.VIP4.Next()))
	}
	m := boot(t, l.Host("lb1"))
	client := l.Host("client")

	m.install(oldVersion)
	m.isInstalled()
	labtest.NoError(t, os.WriteFile("/etc/lvsd/director.toml", []byte(config), 0o600))
	m.run("systemctl", "start", "lvsd.service")
	m.isHealthy(oldVersion)
	m.isRestricted()
	m.reloads()

	for _, test := range []struct {
		name string
		do   func()
	}{{"upgrade", m.upgrade}, {"restart by kill -9", m.kill}} {
		loads := map[string]*lab.Load{}
		for _, vip := range []string{"10.0.1.200", "10.0.1.201"} {
			loads[vip] = client.StartLoad(t.Context(), lab.LoadConfig{URL: "http://" + vip + "/", Rate: 50, Workers: 4})
		}
		test.do()
		for vip, load := range loads {
			r := load.Stop()
			t.Logf("%s: %s: %d of %d requests failed, longest pause %s", test.name, vip, r.Failures, r.Requests, r.LongestGap)
			if r.Failures > 0 || r.Requests == 0 {
				t.Errorf("%s: %s: %v\n%s", test.name, vip, r, m.journal())
			}
		}
	}
	m.guards()
	m.comesBack()
	m.isRemoved(client)
}

// comesBack removes the package and installs it again: the director works again, by the configuration that was left.
func (m *machine) comesBack() {
	m.t.Helper()
	m.run("dpkg", "--no-triggers", "--force-unsafe-io", "--remove", "lvsd")
	m.install(newVersion)
	m.isHealthy(newVersion)
}

// install installs a version as a person does, but for the triggers of other packages, which take long and have nothing to do with it.
func (m *machine) install(version string) {
	m.t.Helper()
	m.run("dpkg", "--no-triggers", "--force-unsafe-io", "--install", deb(m.t, version))
}

// upgrade installs the new version. The director becomes it, in the same process, and gives nothing away.
func (m *machine) upgrade() {
	m.t.Helper()
	pid := m.property("MainPID")
	m.install(newVersion)
	m.isHealthy(newVersion)
	if now := m.property("MainPID"); now != pid {
		m.t.Errorf("process %s became %s", pid, now)
	}
	_, since, _ := strings.Cut(m.journal(), "director makes way")
	if strings.Count(since, "from=initialize to=active") != 1 || strings.Contains(since, "from=active") {
		m.t.Errorf("the upgrade changed the role:\n%s", m.journal())
	}
}

// isInstalled holds that the units are enabled and wait for a configuration, and that the user of checks is there.
func (m *machine) isInstalled() {
	m.t.Helper()
	if out, _ := m.try("systemctl", "is-enabled", "lvsd.service", "lvsd-realserver.service"); out != "enabled\nenabled" {
		m.t.Errorf("the units are %q", out)
	}
	if out, _ := m.try("systemctl", "is-active", "lvsd.service", "lvsd-realserver.service"); out != "inactive\ninactive" {
		m.t.Errorf("without a configuration the units are %q", out)
	}
	m.run("id", "lvsd-check")
}

var elected = regexp.MustCompile(`"state": *"active"`)

// isHealthy waits until the director of a version finds all well: nothing to do, every check passed, both VIPs there, and no complaint about
// a privilege.
func (m *machine) isHealthy(version string) {
	m.t.Helper()
	m.eventually("version "+version+" runs and all is well", func() bool {
		var s struct {
			Version string
			Daemon  *struct{ PID int } // nil if none answers
		}
		out, err := m.try("lvsd", "status", "--json")
		if err != nil || json.Unmarshal([]byte(out), &s) != nil || s.Version != version || s.Daemon == nil || !elected.MatchString(out) {
			return false
		}
		text, _ := m.try("lvsd", "status")
		return strings.Count(text, " up ") >= 2 && !strings.Contains(text, "down") && !strings.Contains(text, "absent")
	})
	if out, err := m.try("lvsd", "plan"); err != nil {
		m.t.Errorf("the kernel is not as configured: %v\n%s", err, out)
	}
	if bad := regexp.MustCompile(`(?im)^.*(denied|not permitted|read-only file system).*$`).FindAllString(m.journal(), 5); bad != nil {
		m.t.Errorf("the unit forbids too much:\n%s", strings.Join(bad, "\n"))
	}
}

// isRestricted holds that the unit's restrictions are in force in the process, and tells systemd's judgement of them.
func (m *machine) isRestricted() {
	m.t.Helper()
	pid := m.property("MainPID")
	status := m.run("cat", "/proc/"+pid+"/status")
	const capabilities = 1<<5 | 1<<6 | 1<<7 | 1<<12 | 1<<13 | 1<<23 // KILL, SETGID, SETUID, NET_ADMIN, NET_RAW, SYS_NICE
	for _, want := range []string{fmt.Sprintf("CapBnd:\t%016x\n", capabilities), "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		if !strings.Contains(status, want) {
			m.t.Errorf("the process has no %q:\n%s", want, status)
		}
	}
	inside := func(args ...string) error {
		_, err := m.try(append([]string{"nsenter", "-t", pid, "-m", "--"}, args...)...)
		return err
	}
	for path, may := range map[string]bool{
		"/etc/lvsd": false, "/usr": false, "/var/lib": false, "/sys/fs/cgroup": false, "/run/lvsd": true, "/var/lib/lvsd": true,
	} {
		if err := inside("touch", path+"/was-here"); (err == nil) != may {
			m.t.Errorf("the director's writing to %s: %v", path, err)
		}
	}
	for path, may := range map[string]bool{"kernel/hostname": false, "vm/swappiness": false, "net/ipv4/ip_forward": true} {
		if err := inside("sh", "-c", "v=$(cat /proc/sys/$0) && echo $v >/proc/sys/$0", path); (err == nil) != may {
			m.t.Errorf("the director's writing to /proc/sys/%s: %v", path, err)
		}
	}
	m.eventually("the receiver's program runs", func() bool { return inside("test", "-e", "/tmp/told") == nil })
	if group := m.run("stat", "-c", "%G %a", "/run/lvsd/lvsd.sock"); group != "lvsd-check 660" {
		m.t.Errorf("the control socket is for %s", group)
	}
	if dir := m.run("stat", "-c", "%a", "/var/lib/lvsd", "/run/lvsd"); dir != "755\n755" {
		m.t.Errorf("the state directories have modes %q", dir)
	}
}

// reloads holds that systemd's reload does what `lvsd reload` does, and says what is wrong with a file.
func (m *machine) reloads() {
	m.t.Helper()
	m.run("systemctl", "reload", "lvsd.service")
	labtest.NoError(m.t, os.WriteFile("/etc/lvsd/conf.d/bad.toml", []byte("wight = 1\n"), 0o600))
	out, err := m.try("systemctl", "reload", "lvsd.service")
	if err == nil || !strings.Contains(m.journal(), `conf.d/bad.toml:1:1: unknown key "wight"`) {
		m.t.Errorf("a bad file: %v, %s\n%s", err, out, m.journal())
	}
	labtest.NoError(m.t, os.Remove("/etc/lvsd/conf.d/bad.toml"))
	m.run("systemctl", "reload", "lvsd.service")
}

// kill kills the director, which systemd starts again: with real-time scheduling now, which the package has as an example.
func (m *machine) kill() {
	m.t.Helper()
	const dropIns = "/etc/systemd/system/lvsd.service.d"
	m.run("install", "-D", "-m", "644", "-t", dropIns, "/usr/share/doc/lvsd/examples/realtime.conf")
	m.run("systemctl", "daemon-reload")
	pid := m.property("MainPID")
	m.run("kill", "-9", pid)
	m.eventually("systemd starts another director", func() bool { return m.property("MainPID") != pid && m.property("ActiveState") == "active" })
	threads := m.run("chrt", "--all-tasks", "--pid", m.property("MainPID"))
	if strings.Count(threads, "SCHED_RR") != strings.Count(threads, "policy") || strings.Count(threads, "priority: 10") == 0 {
		m.t.Errorf("the threads are scheduled so:\n%s", threads)
	}
	labtest.NoError(m.t, os.RemoveAll(dropIns)) // of no package
	m.isHealthy(newVersion)
}

// guards holds that the guard works under the unit with the drop-in that the package has as an example, and goes with its table.
func (m *machine) guards() {
	m.t.Helper()
	const dropIns, table = "/etc/systemd/system/lvsd.service.d", "/etc/lvsd/conf.d/guard.toml"
	m.run("install", "-D", "-m", "644", "-t", dropIns, "/usr/share/doc/lvsd/examples/guard.conf")
	m.run("systemctl", "daemon-reload")
	labtest.NoError(m.t, os.WriteFile(table, []byte("[guard]\ninterfaces = \"eth0\"\n"), 0o600))
	m.run("systemctl", "restart", "lvsd.service")
	m.eventually("the guard is attached", func() bool {
		out, err := m.try("lvsd", "guard", "status")
		return err == nil && regexp.MustCompile(`eth0.*(driver|generic)`).MatchString(out)
	})
	m.isHealthy(newVersion)
	labtest.NoError(m.t, os.Remove(table))
	m.run("systemctl", "reload", "lvsd.service")
	if out := m.run("ip", "link", "show", "dev", "eth0"); strings.Contains(out, "xdp") {
		m.t.Errorf("the guard is left behind:\n%s", out)
	}
	labtest.NoError(m.t, os.RemoveAll(dropIns)) // of no package
}

// isRemoved removes the package: its files go, forwarding stays; and purges it: nothing of it is left.
func (m *machine) isRemoved(client *lab.Host) {
	m.t.Helper()
	out := m.run("dpkg", "--no-triggers", "--force-unsafe-io", "--remove", "lvsd")
	if !strings.Contains(out, "packets go on being forwarded") {
		m.t.Errorf("the removal says nothing of what stays:\n%s", out)
	}
	for range 10 {
		labtest.Get(m.t, client, "http://10.0.1.200/")
	}
	labtest.NoError(m.t, os.Remove("/etc/lvsd/director.toml"))
	m.run("dpkg", "--no-triggers", "--force-unsafe-io", "--purge", "lvsd")
	for _, dir := range []string{"/run", "/etc", "/etc/default", "/etc/systemd/system", "/etc/systemd/system/multi-user.target.wants",
		"/var/lib", "/var/lib/systemd/deb-systemd-helper-enabled", "/usr/sbin", "/usr/share/doc", "/usr/share/man/man8", "/lib/systemd/system"} {
		if left, _ := m.try("sh", "-c", "ls -d "+dir+"/*lvsd* "+dir+"/director.toml* 2>/dev/null"); left != "" {
			m.t.Errorf("the package left behind:\n%s", left)
		}
	}
}
