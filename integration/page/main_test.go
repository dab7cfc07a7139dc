// Package page tests the status page of a director at work as people see it: in a
// browser. The director runs in a lab in User-Mode Linux, with real packets. The
// browser, for which that kernel is too slow, runs on the machine; both meet in a
// network namespace of the test's own, which has a tap device that is the guest's
// vec0.
package page

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/lvsd/lvsd/pkg/cli"
)

// What this test binary is, beside the test itself.
const (
	asCommand = "LVSD_TEST_AS_COMMAND" // lvsd
	asGuest   = "LVSD_TEST_AS_GUEST"   // the lab in the guest
	inside    = "LVSD_TEST_INSIDE"     // the test in its namespace
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asCommand) != "":
		os.Exit(cli.Run(context.Background(), cli.Env{
			Args: os.Args[1:], Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Version: "test",
		}))
	case os.Getenv(asGuest) != "":
		if err := guest(); err != nil {
			fmt.Fprintln(os.Stderr, "guest:", err)
			os.Exit(1)
		}
	case os.Getenv(inside) != "":
		os.Exit(m.Run())
	default:
		os.Exit(enter())
	}
}

// enter runs the test in a network namespace of its own, for which an ordinary user
// needs a user namespace too.
func enter() int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c := exec.Command(self, os.Args[1:]...)
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := c.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the test in a network namespace of its own:", err)
		return 1
	}
	return 0
}
