package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// errRunning says that another director has the lock.
var errRunning = errors.New("a director already runs")

// lock is the right to be the only writer of a state directory. The kernel
// gives it back when its holder dies.
type lock struct{ file *os.File }

// acquire makes the state directory and takes its lock.
func acquire(dir string) (*lock, error) { return acquireAs(dir, "state", "lvsd.lock") }

// acquireData does the same to the data directory. They may be one, and two
// directors with a state directory each must not share the other one.
func acquireData(dir string) (*lock, error) { return acquireAs(dir, "data", "data.lock") }

// acquireAs takes the lock of a name in a directory, which it makes. The file holds
// the process's number, for the error message of the next one that tries.
func acquireAs(dir, what, name string) (*lock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the %s directory: %w", what, err)
	}
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer file.Close()
		return nil, fmt.Errorf("%w%s: it holds %s", errRunning, holder(path), path)
	}
	if err == nil {
		err = errors.Join(file.Truncate(0), write(file, strconv.Itoa(os.Getpid())+"\n"))
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("take the lock %s: %w", path, err)
	}
	return &lock{file}, nil
}

func write(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

func holder(path string) string {
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return ""
	}
	return " (pid " + strings.TrimSpace(string(data)) + ")"
}

// release gives the lock back. The file stays: removing it would let two
// directors lock two files of one name.
func (l *lock) release() {
	if l != nil {
		l.file.Close()
	}
}
