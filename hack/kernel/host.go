package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// hostStageEnv marks the launcher's second stage: it runs inside the new namespaces and becomes the command.
const hostStageEnv = "LVSD_KERNEL_HOST_STAGE"

// hostKernel runs the command in the machine's own kernel, in network and mount namespaces of its own.
type hostKernel struct{}

// hostUsable says why the machine's own kernel cannot be used, or nil.
func hostUsable() error {
	if os.Geteuid() != 0 {
		return errors.New("KERNEL=host needs root")
	}
	if hasIPVS() {
		return nil
	}
	if err := exec.Command("modprobe", "ip_vs").Run(); err == nil && hasIPVS() {
		return nil
	}
	return errors.New("this machine's kernel has no IPVS (modprobe ip_vs): use KERNEL=uml")
}

func hasIPVS() bool {
	_, err := os.Stat("/proc/net/ip_vs")
	return err == nil
}

func (hostKernel) run(ctx context.Context, s *spec, signals <-chan os.Signal) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return exitFailure, err
	}
	cmd := exec.CommandContext(ctx, self, s.Args...)
	cmd.Env = append(append(os.Environ(), s.Env...), hostStageEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return exitFailure, fmt.Errorf("start in new namespaces: %w", err)
	}
	go func() {
		for sig := range signals {
			_ = cmd.Process.Signal(sig)
		}
	}()
	return exitStatus(cmd.Wait())
}

// exitStatus turns the result of exec.Cmd.Wait into the shell's notation.
func exitStatus(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// hostStage prepares the namespaces and becomes the command; it returns only if that fails.
func hostStage(args []string) int {
	err := prepareHost()
	if err == nil {
		os.Unsetenv(hostStageEnv)
		err = syscall.Exec(args[0], args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "kernel:", err)
	return exitFailure
}

// prepareHost gives the command a /sys of its own network namespace and a /run/netns of its own, so that the names of namespaces
// neither clash with the machine's nor stay behind.
func prepareHost() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, m := range []mountPoint{
		{target: "/sys", fstype: "sysfs"},
		{target: "/run/netns", fstype: "tmpfs", data: "mode=0755"},
	} {
		if err := m.mount(); err != nil {
			return err
		}
	}
	return setLoopbackUp()
}
