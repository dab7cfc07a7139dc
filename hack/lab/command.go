package lab

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Cmd is a process on a host. Its embedded exec.Cmd is for setting it up; Start, Wait, Run and Output are the Cmd's own. Whatever is
// written to Stdout and Stderr is complete after Wait.
type Cmd struct {
	*exec.Cmd
	host *Host
	done chan struct{}
	err  error // the result of exec.Cmd.Wait, readable when done is closed
}

// Command prepares a process on the host; its network namespace is all that differs from an ordinary one. When ctx ends, the process and
// its children in the same process group are killed.
func (h *Host) Command(ctx context.Context, name string, args ...string) *Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return unix.Kill(-c.Process.Pid, unix.SIGKILL) }
	c.WaitDelay = 2 * time.Second
	return &Cmd{Cmd: c, host: h, done: make(chan struct{})}
}

// Start starts the process. Close of the lab kills it if it still runs then.
func (c *Cmd) Start() error {
	if err := c.host.Do(c.Cmd.Start); err != nil {
		return fmt.Errorf("start %s on %s: %w", c.Args[0], c.host.Name, err)
	}
	forget := c.host.lab.onClose(func() error {
		c.Kill()
		return nil
	})
	go func() {
		defer close(c.done)
		c.err = c.Cmd.Wait()
		forget()
	}()
	return nil
}

// Wait waits for the end of the process; as often as one likes.
func (c *Cmd) Wait() error {
	<-c.done
	if c.err != nil {
		return fmt.Errorf("%s on %s: %w", strings.Join(c.Args, " "), c.host.Name, c.err)
	}
	return nil
}

// Done is closed when the process has ended.
func (c *Cmd) Done() <-chan struct{} { return c.done }

// Run starts the process and waits for its end.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Signal sends a signal to the process alone; one that has ended is no error.
func (c *Cmd) Signal(sig syscall.Signal) error {
	select {
	case <-c.done:
		return nil
	default:
		return c.Process.Signal(sig)
	}
}

// Kill kills the process and its children in the same process group, and waits for the end.
func (c *Cmd) Kill() {
	select {
	case <-c.done:
	default:
		_ = unix.Kill(-c.Process.Pid, unix.SIGKILL)
		<-c.done
	}
}

// Output runs the process and returns its standard output. An error holds what it wrote to standard error.
func (c *Cmd) Output() (string, error) {
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if text := strings.TrimSpace(stderr.String()); err != nil && text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return stdout.String(), err
}

// Run runs a command on the host and returns its standard output.
func (h *Host) Run(ctx context.Context, name string, args ...string) (string, error) {
	return h.Command(ctx, name, args...).Output()
}

// Script runs several commands, one a line, words separated by blanks, and stops at the first that fails.
func (h *Host) Script(ctx context.Context, lines string) error {
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if _, err := h.Run(ctx, words[0], words[1:]...); err != nil {
			return err
		}
	}
	return nil
}
