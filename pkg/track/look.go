package track

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// maxNumber bounds what a file can do to a priority.
const maxNumber = 254

// looker gives the way to look after a thing.
func looker(s Spec, virtual func(string) error) func(context.Context) (int, error) {
	alone := func(f func() error) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { return 0, f() }
	}
	switch {
	case s.Process != "":
		return alone(func() error { return process("/proc", s.Process) })
	case s.File != "":
		return func(context.Context) (int, error) { return number(s.File) }
	case s.Link != "":
		return alone(func() error { return link(s.Link) })
	case s.Virtual != "":
		return alone(func() error { return virtual(s.Virtual) })
	case s.Gateway.IsValid():
		return probe(&check.ICMP{}, check.Target{Address: s.Gateway})
	}
	return program(s.Command)
}

// program looks by running a program, which must end with 0.
func program(command []string) func(context.Context) (int, error) {
	return probe(&check.Exec{Command: command}, check.Target{})
}

// probe looks with a health check.
func probe(s check.Spec, to check.Target) func(context.Context) (int, error) {
	c, err := check.New(s)
	return func(ctx context.Context) (int, error) {
		if err != nil {
			return 0, err
		}
		if result := c.Run(ctx, to); !result.OK {
			return 0, errors.New(result.Error)
		}
		return 0, nil
	}
}

// process looks for a process by its name, of which the kernel keeps 15 bytes
// (TASK_COMM_LEN).
func process(proc, name string) error {
	stats, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "stat"))
	if err != nil {
		return err
	}
	want := []byte(name[:min(len(name), 15)])
	for _, path := range stats {
		// One that cannot be read has ended meanwhile.
		if stat, err := os.ReadFile(path); err == nil && runs(stat, want) {
			return nil
		}
	}
	return fmt.Errorf("no process %s", name)
}

// runs tells whether /proc/PID/stat, "PID (NAME) STATE …", is that of a process of
// a name, which may hold parentheses itself. One that has ended is there until its
// parent has asked how: Z, and X for a moment (proc(5)).
func runs(stat, name []byte) bool {
	begin, end := bytes.IndexByte(stat, '('), bytes.LastIndex(stat, []byte(") "))
	if begin < 0 || end < begin || !bytes.Equal(stat[begin+1:end], name) {
		return false
	}
	state := stat[end+2:]
	return !bytes.HasPrefix(state, []byte("Z")) && !bytes.HasPrefix(state, []byte("X"))
}

func number(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < -maxNumber || n > maxNumber {
		return 0, fmt.Errorf("%s holds no number from %d to %d", path, -maxNumber, maxNumber)
	}
	return n, nil
}

func link(name string) error {
	device, err := net.InterfaceByName(name)
	switch {
	case err != nil:
		return fmt.Errorf("no interface %s", name)
	case device.Flags&net.FlagUp == 0:
		return fmt.Errorf("%s is down", name)
	case device.Flags&net.FlagRunning == 0:
		return fmt.Errorf("%s has no carrier", name)
	}
	return nil
}
