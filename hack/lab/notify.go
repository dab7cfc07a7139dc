package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// StartReady starts the process and waits until it says READY=1 as sd_notify(3) has it. An error, also that of a process which ends before or
// of a context that does, leaves nothing running.
func (c *Cmd) StartReady(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "lab-notify-")
	if err != nil {
		return fmt.Errorf("start %s on %s: %w", c.Args[0], c.host.Name, err)
	}
	defer os.RemoveAll(dir)
	// A path, because abstract names belong to the network namespace, and the process has another one.
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("start %s on %s: %w", c.Args[0], c.host.Name, err)
	}
	defer socket.Close()
	c.Env = append(c.Environ(), "NOTIFY_SOCKET="+path)
	if err := c.Start(); err != nil {
		return err
	}
	if err := c.awaitReady(ctx, socket); err != nil {
		c.Kill()
		return fmt.Errorf("wait until %s on %s is ready: %w", c.Args[0], c.host.Name, err)
	}
	return nil
}

func (c *Cmd) awaitReady(ctx context.Context, socket *net.UnixConn) error {
	heard := make(chan struct{})
	defer close(heard)
	go func() {
		select {
		case <-heard:
			return
		case <-c.done:
		case <-ctx.Done():
		}
		_ = socket.SetReadDeadline(time.Now())
	}()
	buffer := make([]byte, 4096)
	for {
		n, err := socket.Read(buffer)
		switch {
		case err == nil && strings.Contains(string(buffer[:n]), "READY=1"):
			return nil
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			return fmt.Errorf("it ended with %s", c.ProcessState)
		default:
			return errors.Join(ctx.Err(), err)
		}
	}
}
