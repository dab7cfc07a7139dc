package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guestMain is the init process of the guest: it prepares the system, runs the command of the spec, tells the launcher its exit
// status and switches the guest off. What it prints goes to the guest's console, which the launcher shows only if the boot fails.
func guestMain(path string) {
	if err := guest(path); err != nil {
		fmt.Println("init:", err)
	}
	unix.Sync()
	// Only an error returns from here, and then the kernel panics because init ends: the launcher sees that too.
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func guest(path string) error {
	s, err := readSpec(path)
	if err != nil {
		return err
	}
	if err := prepare(s); err != nil {
		return err
	}
	control, err := openRaw(s.Control)
	if err != nil {
		return err
	}
	stdout, err := openRaw(s.Stdout)
	if err != nil {
		return err
	}
	stderr, err := openRaw(s.Stderr)
	if err != nil {
		return err
	}
	fmt.Fprintln(control, "started")
	code := runCommand(s, control, stdout, stderr)
	for _, f := range []*os.File{stdout, stderr} {
		drain(f)
	}
	fmt.Fprintln(control, "exit", code)
	drain(control)
	return nil
}

// openRaw opens a character device; if it is a terminal, bytes pass through it unchanged from then on.
func openRaw(path string) (*os.File, error) {
	f, err := openDevice(path)
	if err != nil {
		return nil, err
	}
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return f, nil // a virtio port, which is no terminal
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t); err != nil {
		return nil, fmt.Errorf("set %s raw: %w", path, err)
	}
	return f, nil
}

// openDevice opens a device that may be about to appear.
func openDevice(path string) (*os.File, error) {
	const wait, tries = 20 * time.Millisecond, 500
	for try := 1; ; try++ {
		f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
		if !errors.Is(err, os.ErrNotExist) || try == tries {
			return f, err
		}
		time.Sleep(wait)
	}
}

// drain waits until what was written to the terminal f has left the guest (tcdrain(3)).
func drain(f *os.File) {
	_ = unix.IoctlSetInt(int(f.Fd()), unix.TCSBRK, 1)
}

// runCommand starts the command, forwards signals from the control channel to it, reaps every orphan meanwhile, and returns the exit
// status in the shell's notation.
func runCommand(s *spec, control io.Reader, stdout, stderr io.Writer) int {
	var copies sync.WaitGroup
	files := []*os.File{nil, nil, nil}
	var err error
	if files[0], err = os.Open(os.DevNull); err != nil {
		fmt.Fprintln(stderr, "kernel:", err)
		return exitFailure
	}
	for i, w := range []io.Writer{stdout, stderr} {
		if files[i+1], err = pipeTo(w, &copies); err != nil {
			fmt.Fprintln(stderr, "kernel:", err)
			return exitFailure
		}
	}
	p, err := os.StartProcess(s.Args[0], s.Args, &os.ProcAttr{
		Dir: s.Dir, Env: s.Env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		fmt.Fprintln(stderr, "kernel:", err)
		return 126
	}
	for _, f := range files {
		f.Close()
	}
	go forwardSignals(control, p.Pid)
	code := reap(p.Pid)
	// Whatever the command left behind must not keep its output open.
	_ = unix.Kill(-1, unix.SIGKILL)
	copies.Wait()
	return code
}

// pipeTo returns the writing end of a pipe whose content goes to w. The command gets a pipe and not the device itself so that it sees
// no terminal, as under `go test`.
func pipeTo(w io.Writer, copies *sync.WaitGroup) (*os.File, error) {
	r, wr, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	copies.Go(func() {
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 64<<10))
	})
	return wr, nil
}

func forwardSignals(control io.Reader, pid int) {
	lines := bufio.NewScanner(control)
	for lines.Scan() {
		var n int
		if _, err := fmt.Sscanf(strings.TrimSpace(lines.Text()), "signal %d", &n); err == nil {
			_ = unix.Kill(-pid, unix.Signal(n))
		}
	}
}

// reap waits for any child until pid has ended, as init must, and returns its exit status: 128 + n after signal n.
func reap(pid int) int {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return exitFailure
		case got == pid && status.Exited():
			return status.ExitStatus()
		case got == pid && status.Signaled():
			return 128 + int(status.Signal())
		}
	}
}
