package daemon

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asHolder makes this test binary take the lock of the folder that it names, say
// so, and keep it until its standard input ends.
const asHolder = "LVSD_TEST_AS_HOLDER"

func hold(dir string) {
	l, err := acquire(dir)
	fmt.Println("acquired:", err)
	if err == nil {
		_, _ = io.Copy(io.Discard, os.Stdin)
		l.release()
	}
}

// holder starts a process that has the lock.
func startHolder(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asHolder+"="+dir)
	_, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "acquired: <nil>\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return c
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	other := startHolder(t, dir)
	_, err := acquire(dir)
	want := fmt.Sprintf("a director already runs (pid %d): it holds %s/lvsd.lock", other.Process.Pid, dir)
	if err == nil || err.Error() != want || !errors.Is(err, errRunning) {
		t.Errorf("got %v, want %s", err, want)
	}
	must(t, other.Process.Kill())
	_ = other.Wait()
	l, err := acquire(dir)
	must(t, err)
	data, err := os.ReadFile(filepath.Join(dir, "lvsd.lock"))
	if string(data) != fmt.Sprintln(os.Getpid()) || err != nil {
		t.Errorf("the lock names %q, %v", data, err)
	}
	if _, err := acquire(dir); !errors.Is(err, errRunning) {
		t.Errorf("taken twice by one process: %v", err)
	}
	l.release()
	l, err = acquire(dir)
	must(t, err)
	l.release()
}

func TestLockThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "link"), 0o700))
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "link", "lvsd.lock")))
	for _, test := range []struct{ name, dir, want string }{
		{"below a file", filepath.Join(dir, "file"), "make the state directory: "},
		{"a link", filepath.Join(dir, "link"), "open the lock: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := acquire(test.dir)
			if err == nil {
				l.release()
			}
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || errors.Is(err, errRunning) {
				t.Errorf("got %v, want %s…", err, test.want)
			}
		})
	}
}
