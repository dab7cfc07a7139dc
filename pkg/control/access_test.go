package control

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// nobody is a user, and a group, that may do nothing.
const nobody = 65534

// openSocket is a path for a socket in a folder that every user can reach.
func openSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	return filepath.Join(dir, "lvsd.sock")
}

// askAs has another user ask for the status.
func askAs(t *testing.T, path string, who syscall.Credential) string {
	t.Helper()
	// The program's own path may lead through folders that are root's alone.
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), asClient+"="+path)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &who}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// The members of the group may, by whichever of their groups it is; nobody else.
func TestGroup(t *testing.T) {
	gid, path := os.Getgid(), openSocket(t)
	if os.Geteuid() == 0 {
		gid = 1
	}
	s, err := Listen(path, Access{Group: "staff", GID: gid}, named("lb1"), slog.New(slog.DiscardHandler))
	must(t, err)
	run(t, s)
	info, err := os.Lstat(path)
	must(t, err)
	if owner := info.Sys().(*syscall.Stat_t); info.Mode().Perm() != 0o660 || int(owner.Gid) != gid || int(owner.Uid) != os.Geteuid() {
		t.Errorf("the socket has mode %s, user %d, group %d", info.Mode(), owner.Uid, owner.Gid)
	}
	if os.Geteuid() != 0 {
		return // without root there is no other user to be
	}
	for range 20 { // whichever thread it is, none keeps the group
		must(t, os.WriteFile(path+".x", nil, 0o600))
		info, err := os.Stat(path + ".x")
		must(t, err)
		if info.Sys().(*syscall.Stat_t).Gid != 0 {
			t.Error("the process has kept the group")
		}
		must(t, os.Remove(path+".x"))
	}
	must(t, os.Chmod(path, 0o666)) // now it is the kernel's word alone
	const refused = "permission denied: only root, the user that it runs as and the group staff may"
	for _, test := range []struct {
		name string
		who  syscall.Credential
		want string
	}{
		{"by the first group", syscall.Credential{Uid: nobody, Gid: 1}, "lb1 <nil>"},
		{"by another group", syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{5, 1}}, "lb1 <nil>"},
		{"by the last of many", syscall.Credential{Uid: nobody, Gid: nobody, Groups: manyGroups(100, 1)}, "lb1 <nil>"},
		{"not a member", syscall.Credential{Uid: nobody, Gid: nobody, Groups: manyGroups(100, 2)}, refused},
		{"root", syscall.Credential{}, "lb1 <nil>"},
	} {
		if got := askAs(t, path, test.who); !strings.HasSuffix(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func manyGroups(n int, last uint32) []uint32 {
	var list []uint32
	for i := range n {
		list = append(list, uint32(1000+i))
	}
	return append(list, last)
}

// A crowd that asks nothing, or asks so slowly that it never ends, stays in bounds
// and keeps nobody out.
func TestCrowd(t *testing.T) {
	path := socket(t)
	s, err := Listen(path, Access{}, named("lb1"), slog.New(slog.DiscardHandler))
	must(t, err)
	run(t, s)
	var conns []net.Conn
	for i := range 1000 {
		c, err := net.Dial("unix", path)
		must(t, err)
		conns = append(conns, c)
		if i%2 == 0 {
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nX-Slow: ", statusPath) // which may be cut off at once
		}
	}
	for range 100 {
		_, err := Dial(path).Status(t.Context())
		must(t, err)
	}
	s.crowd.mu.Lock()
	open := len(s.crowd.conns)
	s.crowd.mu.Unlock()
	if open > maxConns+10 { // those that are being closed
		t.Errorf("%d connections are open", open)
	}
	var waiting sync.WaitGroup
	for _, c := range conns[:1000-maxConns] {
		waiting.Go(func() {
			defer c.Close()
			_, _ = io.Copy(io.Discard, c) // which ends when it is cut off
		})
	}
	waiting.Wait()
	for _, c := range conns {
		c.Close()
	}
}
