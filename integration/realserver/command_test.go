package realserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// Bad input is one clear line, and nothing is changed.
func TestBadInput(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	rs := newServer(t, l.Host("rs1"))
	before := rs.snapshot()
	broken := filepath.Join(t.TempDir(), "realserver.toml")
	labtest.NoError(t, os.WriteFile(broken, []byte("vip = \"10.0.1.300\"\n"), 0o600))
	for _, tt := range []struct{ name, flags, want string }{
		{"no address", "--vip web", `--vip "web": expected an IPv4 or IPv6 address`},
		{"own address", "--vip 10.0.1.101", "VIP 10.0.1.101 is an address of eth0: there it would be announced to the network; delete it with `ip address del 10.0.1.101/24 dev eth0`"},
		{"broadcast", "--vip 10.0.1.255", "VIP 10.0.1.255 is the network's or the broadcast address of 10.0.1.0/24 on eth0"},
		{"loopback", "--vip ::1", "VIP ::1: it is not a unicast address of a host"},
		{"forwarding", "--vip 10.0.1.200 --forwarding gate", `--forwarding: unknown forwarding method "gate": expected one of nat, dr, tun`},
		{"tunnel", "--vip 10.0.1.200 --forwarding tun --tunnel gue", "VIP 10.0.1.200: gue needs its UDP port"},
		{"tunnel without tun", "--vip 10.0.1.200 --tunnel gre", "VIP 10.0.1.200: a tunnel has no effect with dr"},
		{"interface", "--vip 10.0.1.200 --interface eth7", "there is no interface eth7"},
		{"port", "--vip 10.0.1.200 --port http", `--port http: "http" is not a port from 1 to 65535`},
		{"nothing", "", "say what to be ready for with --vip, --director, --from or the file /etc/lvsd/realserver.toml"},
		{"no file", "-c /nowhere", "/nowhere: open: no such file or directory"},
		{"file", "-c " + broken, broken + `:1:7: "10.0.1.300" is not an address; expected an IPv4 or IPv6 address`},
		{"director's file", "--from " + broken, broken + ":1:7: vip is a string; expected a table [vip]"},
	} {
		out, code := rs.run(strings.TrimSpace("setup " + tt.flags))
		if code != 1 || !strings.HasPrefix(out, "lvsd: "+tt.want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: exit code %d\ngot  %swant lvsd: %s", tt.name, code, out, tt.want)
		}
	}
	if diff := cmp.Diff(before, rs.snapshot()); diff != "" {
		t.Errorf("the host (-before +after):\n%s", diff)
	}
}

func TestWithoutRoot(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	h := l.Host("rs1")
	for _, verb := range []string{"setup", "teardown"} {
		// Nobody may not look into the directory of the test's binary.
		c := h.Command(t.Context(), "/proc/self/exe", "realserver", verb)
		if verb == "setup" {
			c.Args = append(c.Args, "--vip", lab.VIP4.String())
		}
		c.Env = append(os.Environ(), asCommand+"=1")
		c.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		_, err := c.Output()
		if err == nil || !strings.HasSuffix(err.Error(), "lvsd: this needs root, or the capability CAP_NET_ADMIN") {
			t.Errorf("%s: got %v", verb, err)
		}
	}
}

// sent is what a tunnel would write into packets that it sent: ip(8) and the setup
// choose it differently, for devices that only receive.
var sent = regexp.MustCompile(`((no)?pmtudisc|hoplimit \S+|encaplimit \S+|flowlabel \S+|tclass \S+|ttl \S+) `)

// plain is a snapshot without what the kernel and ip(8) choose.
func plain(snapshot string) string { return withoutChosen(sent.ReplaceAllString(snapshot, "")) }

// The commands that --dry-run prints do the same as the setup.
func TestDryRun(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	rs := newServer(t, l.Host("rs1"))
	for _, name := range []string{"dr v6", "gue v4", "gre v6", "ipip v6"} { // each kind of command
		t.Run(name, func(t *testing.T) {
			rs, w := &server{Host: rs.Host, t: t, dir: rs.dir}, wayNamed(t, name)
			before := rs.snapshot()
			script := rs.do(w.setup() + " --dry-run")
			if rs.snapshot() != before {
				t.Error("it changed something")
			}
			rs.do(w.setup())
			want, undo := plain(rs.snapshot()), rs.do("teardown --dry-run")
			rs.do("teardown")
			labtest.Run(t, rs.Host, "sh", "-ec", script)
			if diff := cmp.Diff(want, plain(rs.snapshot())); diff != "" {
				t.Errorf("the commands (-setup +commands):\n%s\n%s", diff, script)
			}
			labtest.Run(t, rs.Host, "sh", "-ec", undo)
			got := plain(rs.snapshot())
			// The shell leaves the empty chain, which nobody would see otherwise.
			for _, tool := range []string{"iptables", "ip6tables"} {
				got = strings.Replace(got, "-N LVSD-OUTPUT\n", "", 1)
				_, _ = rs.Run(t.Context(), tool, "-t", "mangle", "-X", "LVSD-OUTPUT")
			}
			if diff := cmp.Diff(plain(before), got); diff != "" {
				t.Errorf("the commands of the teardown (-before +after):\n%s\n%s", diff, undo)
			}
		})
	}
}

// What somebody takes away, `run` puts back.
func TestRunRepairs(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	rs, w := newServer(t, l.Host("rs1")), wayNamed(t, "ipip v4")
	w.director(t, l.Host("lb1"), rs.Host)
	labtest.Must(rs.Web(":80"))(t)
	args := append([]string{"realserver", "run", "--state-dir", rs.dir, "--interval", "1s"}, strings.Fields(w.setup())[1:]...)
	c := rs.Command(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	labtest.NoError(t, c.Start())
	answered := func(what string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			got, err := l.Host("client").Get(ctx, labtest.URL(w.vip(), 80))
			cancel()
			if err == nil && got == "rs1" {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: no answer: %v", what, err)
			}
		}
	}
	answered("after the start")
	for _, harm := range []string{
		"ip address flush dev lo scope global",
		"ip link del lvsd-ipip0",
		"sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.lvsd-ipip0.rp_filter=1",
	} {
		labtest.NoError(t, rs.Script(t.Context(), harm))
		answered(harm)
	}
	labtest.NoError(t, c.Signal(syscall.SIGTERM))
	labtest.NoError(t, c.Wait())
	answered("after the end")
}

// The services of the director's file are found by the host's own addresses.
func TestFromDirectorsFile(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	rs, w := newServer(t, l.Host("rs1")), wayNamed(t, "gre v4")
	w.director(t, l.Host("lb1"), rs.Host)
	labtest.Must(rs.Web(":80"))(t)
	file := filepath.Join(t.TempDir(), "director.toml")
	text := fmt.Sprintf("[virtual.web]\nvip = \"%s:80\"\nforwarding = \"tun\"\ntunnel = \"gre\"\n[virtual.web.real]\nrs1 = %q\nrs2 = %q\n",
		lab.VIP4, rs.V4, l.Host("rs2").V4)
	labtest.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	rs.do("setup --from " + file)
	if got := labtest.Get(t, l.Host("client"), labtest.URL(w.vip(), 80)); got != "rs1" {
		t.Errorf("%q answered", got)
	}
	if out, code := rs.run("status --from " + file); code != 0 || !strings.Contains(out, "service at 10.0.1.200 tcp port 80: it listens") {
		t.Errorf("status: exit code %d\n%s", code, out)
	}
	other := newServer(t, l.Host("client"))
	if out, code := other.run("setup --from " + file); code != 1 || !strings.Contains(out, "the file has no real server with an address of this host") {
		t.Errorf("on another host: exit code %d\n%s", code, out)
	}
}

// systemd accepts the unit, and its command does the same before there is a
// network.
func TestPersist(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	rs, w, root := newServer(t, l.Host("rs1")), wayNamed(t, "ipip v4"), t.TempDir()
	rs.do(w.setup() + " --persist --root " + root)
	unit := filepath.Join(root, "etc/systemd/system/lvsd-realserver.service")
	// It also tells of other units of the machine.
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "realserver") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	ready := withoutChosen(rs.snapshot())
	rs.do("teardown --keep-files")

	text := labtest.Must(os.ReadFile(unit))(t)
	_, start, _ := strings.Cut(string(text), "ExecStart=")
	start, _, _ = strings.Cut(start, "\n")
	_, flags, _ := strings.Cut(start, " realserver setup ")
	labtest.NoError(t, rs.Script(t.Context(), "ip address flush dev eth0\nip link set eth0 down"))
	rs.do("setup " + flags)
	labtest.NoError(t, rs.Script(t.Context(), "ip link set eth0 up\nip address add 10.0.1.101/24 dev eth0\nip address add fd00:1::101/64 dev eth0"))
	missing := func() string {
		lines := strings.Split(withoutChosen(rs.snapshot()), "\n")
		var gone []string
		for line := range strings.SplitSeq(ready, "\n") {
			if strings.Contains(line, "10.0.1.200") || strings.Contains(line, "lvsd-ipip0") || strings.Contains(line, "arp_") {
				if !slices.Contains(lines, line) {
					gone = append(gone, line)
				}
			}
		}
		return strings.Join(gone, "\n")
	}
	if gone := missing(); gone != "" {
		t.Errorf("set up before the network, this is missing:\n%s", gone)
	}
	rs.do("teardown --root " + root)
	if _, err := os.Stat(unit); err == nil {
		t.Error("the unit is still there")
	}
}
