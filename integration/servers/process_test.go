package servers

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// startTimeout is how long a server may take from its start to its first answer.
const startTimeout = 20 * time.Second

// server is a running process in a process group of its own.
type server struct {
	cmd    *exec.Cmd
	signal syscall.Signal // ends it
	exited chan struct{}
}

// start runs a server in the foreground until the end of the test, and waits
// until a check of it succeeds.
func start(t *testing.T, signal syscall.Signal, cmd *exec.Cmd, ready check.Spec, at check.Target) *server {
	t.Helper()
	output := filepath.Join(cmd.Dir, "output")
	f, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{cmd: cmd, signal: signal, exited: make(chan struct{})}
	go func() {
		defer close(s.exited)
		_ = cmd.Wait() // how it ends does not matter
	}()
	t.Cleanup(func() { s.stop(t) })
	for began := time.Now(); ; {
		r := probe(t, ready, at, startTimeout)
		if r.OK {
			return s
		}
		if s.ended(20*time.Millisecond) || time.Since(began) > startTimeout {
			said, _ := os.ReadFile(output)
			t.Fatalf("%s does not serve at %s: %s\n%s", cmd, at, r.Error, said)
		}
	}
}

// ended waits for the server's end, but not for ever.
func (s *server) ended(within time.Duration) bool {
	select {
	case <-s.exited:
		return true
	case <-time.After(within):
		return false
	}
}

// stop ends the server, the hard way if need be, and waits for all of it: one of
// its processes may still hold the port.
func (s *server) stop(t *testing.T) {
	t.Helper()
	_ = s.cmd.Process.Signal(s.signal) // it may have ended
	s.ended(startTimeout)
	s.send(syscall.SIGKILL)
	<-s.exited
	s.await(t, "Z")
}

// freeze makes the server hang, and waits until it does: a process on another
// processor goes on for a moment.
func (s *server) freeze(t *testing.T) {
	t.Helper()
	s.send(syscall.SIGSTOP)
	s.await(t, "T")
}

// await waits until every process of the server that there is has a state.
func (s *server) await(t *testing.T, state string) {
	t.Helper()
	for began := time.Now(); !s.all(t, state); {
		if time.Since(began) > startTimeout {
			t.Fatalf("%s does not come to state %s", s.cmd, state)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// all looks at every process of the group; see proc(5), /proc/PID/stat.
func (s *server) all(t *testing.T, state string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		stat, _ := os.ReadFile(path) // empty if the process has gone meanwhile
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after) // state, parent, group, …
		if len(fields) > 2 && fields[2] == strconv.Itoa(s.cmd.Process.Pid) && fields[0] != state {
			return false
		}
	}
	return true
}

// thaw makes a frozen server go on.
func (s *server) thaw() { s.send(syscall.SIGCONT) }

func (s *server) send(signal syscall.Signal) {
	// It fails only if nobody of the group is left.
	_ = syscall.Kill(-s.cmd.Process.Pid, signal)
}

// command prepares a program of a Debian package to run in a directory, as
// somebody who is not root: PostgreSQL and MariaDB refuse to be.
func command(t *testing.T, pkg, dir, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(installed(t, pkg, program), args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:    true,
		Pdeathsig:  syscall.SIGKILL, // if the test's process dies
		Credential: credential(t),
	}
	return cmd
}

// installed finds a program of a package; PostgreSQL keeps its own in a
// directory for each version.
func installed(t *testing.T, pkg, program string) string {
	t.Helper()
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/usr/lib/postgresql/*/bin"} {
		found, err := filepath.Glob(filepath.Join(dir, program))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Fatalf("%s is not installed: it comes with Debian's package %s (hack/deps servers)", program, pkg)
	return ""
}

// run runs a program to its end.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// free gives n targets at which nobody listens. Their address, of the loopback
// network, is nobody else's: a port of 127.0.0.1 could be taken by another
// process before the server is there. Nothing may be started meanwhile: what is
// forked holds the ports until it is another program.
func free(t *testing.T, n int) []check.Target {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	digit := func() byte { return byte(1 + rand.IntN(254)) }
	address := netip.AddrFrom4([4]byte{127, digit(), digit(), digit()})
	targets := make([]check.Target, n)
	for i := range targets {
		l, err := net.Listen("tcp", netip.AddrPortFrom(address, 0).String())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // only then, so that no two are the same
		targets[i] = targetOf(l.Addr())
	}
	return targets
}

func targetOf(a net.Addr) check.Target {
	ap := netip.MustParseAddrPort(a.String())
	return check.Target{Address: ap.Addr(), Port: ap.Port()}
}

func port(at check.Target) string { return strconv.Itoa(int(at.Port)) }

// fill replaces NAME by its value in a server's configuration.
func fill(text string, namesAndValues ...string) string {
	return strings.NewReplacer(namesAndValues...).Replace(text)
}
