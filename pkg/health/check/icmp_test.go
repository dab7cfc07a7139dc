package check

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// inNamespace says to the test binary that it runs in a network namespace of
// its own, in which it may do what it likes.
const inNamespace = "LVSD_TEST_IN_NAMESPACE"

// TestICMP runs the tests below where nothing but them is pinged, and what one
// of them does to the namespace is not there for the other.
func TestICMP(t *testing.T) {
	for _, name := range []string{"TestPermittedICMP", "TestForbiddenICMP"} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run=^"+name+"$")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		cmd.SysProcAttr = ownNamespace()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// ownNamespace makes a process root in a network namespace of its own. Root needs
// no user namespace for that, and in a chroot gets none (user_namespaces(7)).
func ownNamespace() *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

func TestForbiddenICMP(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		return // TestICMP runs it
	}
	loopbackUp(t)
	dropCapabilities(t)
	wantDown(t, &ICMP{}, Target{Address: netip.MustParseAddr("127.0.0.1")},
		"ping ADDR: not permitted: needs CAP_NET_RAW or a group in net.ipv4.ping_group_range")
}

func TestPermittedICMP(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		return // TestICMP runs it
	}
	v4 := Target{Address: netip.MustParseAddr("127.0.0.1")}
	v6 := Target{Address: netip.MustParseAddr("::1")}

	t.Run("loopback is down", func(t *testing.T) {
		wantDown(t, &ICMP{}, v4, "ping ADDR: network is unreachable")
	})
	loopbackUp(t)
	t.Run("raw socket", func(t *testing.T) {
		wantUp(t, &ICMP{}, v4)
		wantUp(t, &ICMP{}, v6)
	})
	t.Run("source and mark", func(t *testing.T) {
		wantUp(t, &ICMP{}, marked(v4, "127.0.0.2"))
		wantUp(t, &ICMP{}, marked(v6, "::1"))
	})
	t.Run("hung raw socket", func(t *testing.T) { wantNoReply(t, v4) })
	sysctl(t, "ping_group_range", "0 0")
	t.Run("ping socket", func(t *testing.T) {
		wantUp(t, &ICMP{}, v4)
		wantUp(t, &ICMP{}, v6)
	})
	t.Run("source and mark of a ping socket", func(t *testing.T) {
		wantUp(t, &ICMP{}, marked(v4, "127.0.0.2"))
		wantUp(t, &ICMP{}, marked(v6, "::1"))
	})
	t.Run("hung ping socket", func(t *testing.T) { wantNoReply(t, v4) })
	t.Run("unreachable", func(t *testing.T) {
		wantDown(t, &ICMP{}, Target{Address: netip.MustParseAddr("192.0.2.1")}, "ping ADDR: network is unreachable")
	})
}

// marked is a target that is asked from an address and with a mark.
func marked(t Target, source string) Target {
	t.Source, t.Mark = netip.MustParseAddr(source), 7
	return t
}

func wantNoReply(t *testing.T, target Target) {
	t.Helper()
	sysctl(t, "icmp_echo_ignore_all", "1")
	defer sysctl(t, "icmp_echo_ignore_all", "0")
	wantTimeout(t, &ICMP{}, target, "ping ADDR: timed out")
}

func sysctl(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func loopbackUp(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}

// dropCapabilities makes the thread of this test forget what it may do; the
// check runs on it.
func dropCapabilities(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
}

func TestEchoAnsweredBy(t *testing.T) {
	target := Target{Address: netip.MustParseAddr("192.0.2.1")}
	want := newEcho(target)
	other := want.body
	other.Data = []byte("somebody else's")
	reply := icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &want.body}
	for _, tt := range []struct {
		name    string
		message icmp.Message
		header  string
		want    bool
	}{
		{"reply", reply, "", true},
		{"reply in IPv4", reply, "\x45" + string(make([]byte, 19)), true},
		{"our own request", icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &want.body}, "", false},
		{"another's reply", icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &other}, "", false},
		{"unreachable", icmp.Message{Type: ipv4.ICMPTypeDestinationUnreachable, Body: &icmp.DstUnreach{Data: want.body.Data}}, "", false},
		{"IPv6", icmp.Message{Type: ipv6.ICMPTypeEchoReply, Body: &want.body}, "", false},
		{"header only", icmp.Message{}, "\x4f", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var packet []byte
			if tt.message.Body != nil {
				var err error
				if packet, err = tt.message.Marshal(nil); err != nil {
					t.Fatal(err)
				}
			}
			packet = append([]byte(tt.header), packet...)
			if got := want.answeredBy(packet, tt.header != ""); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if want.answeredBy(nil, true) {
		t.Error("an empty packet is a reply")
	}
}
