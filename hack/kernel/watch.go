package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// watchEnv marks the process that cleans up when the launcher is killed.
const watchEnv = "LVSD_KERNEL_WATCH"

// watch starts a process that ends the guest of process group pid and removes its files should the launcher die without doing so
// itself. PDEATHSIG does not suffice: it reaches one process, and User-Mode Linux has several.
func (g *vm) watch(pid int) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, g.dir, strconv.Itoa(pid))
	cmd.Env = []string{watchEnv + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// The pipe ends with the launcher, however that comes about.
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start watch: %w", err)
	}
	return func() {
		_, _ = in.Write([]byte{1})
		_ = cmd.Wait()
	}, nil
}

// watchMain waits for the end of the launcher. A byte says that it has cleaned up itself.
func watchMain(args []string) {
	if b, err := io.ReadAll(io.LimitReader(os.Stdin, 1)); len(args) != 2 || err != nil || len(b) > 0 {
		return
	}
	if pid, err := strconv.Atoi(args[1]); err == nil && pid > 1 {
		kill(pid)
	}
	_ = os.RemoveAll(args[0])
}
