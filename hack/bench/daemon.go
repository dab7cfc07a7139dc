package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// resync is the pause between two rounds of a measured director.
const resync = 5 * time.Second

// daemon is a running director with its files.
type daemon struct {
	dir     string
	cmd     *exec.Cmd
	started time.Duration // from the start to a complete table
}

// startDaemon starts the program with a configuration of the services in the
// calling thread's namespace and waits until its first round is over.
func startDaemon(program string, services []lvs.Service) (*daemon, error) {
	return startWith(program, func(dir string) []byte { return configuration(dir, services) })
}

// startWith is startDaemon for any configuration; it is given the state directory.
func startWith(program string, configuration func(dir string) []byte) (*daemon, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "director.toml")
	if err := os.WriteFile(path, configuration(dir), 0o600); err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "notify")
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	d := &daemon{dir: dir, cmd: exec.Command(program, "director", "-c", path)}
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	var log bytes.Buffer
	d.cmd.Stderr = &log
	start := time.Now()
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	if err := ready.SetReadDeadline(start.Add(5 * time.Minute)); err != nil {
		return nil, err
	}
	if _, err := ready.Read(make([]byte, 512)); err != nil {
		return nil, fmt.Errorf("wait for the director: %w: %s", err, log.Bytes())
	}
	d.started = time.Since(start)
	return d, nil
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

func (d *daemon) status() (*status.Daemon, error) {
	s, err := control.Dial(filepath.Join(d.dir, "lvsd.sock")).Status(context.Background())
	if err != nil {
		return nil, err
	}
	return s.Daemon, nil
}

// resident is the memory that the process holds.
func (d *daemon) resident() (string, error) { return resident(d.cmd.Process.Pid) }

// start times the program from its start to a complete table, its file read and
// its keys written down.
func start(program string) func([]lvs.Service) (ours, theirs time.Duration, err error) {
	return againstRestore(program, func(d *daemon) (time.Duration, error) { return d.started, nil })
}

// firstRound times the round in which the director fills the empty table.
func firstRound(program string) func([]lvs.Service) (ours, theirs time.Duration, err error) {
	return againstRestore(program, func(d *daemon) (time.Duration, error) {
		s, err := d.status()
		if err != nil {
			return 0, err
		}
		return seconds(s.Round), nil
	})
}

// againstRestore takes a time of a director that has just filled a table, and
// that of ipvsadm -R for the same one.
func againstRestore(program string, took func(*daemon) (time.Duration, error)) func([]lvs.Service) (ours, theirs time.Duration, err error) {
	return func(services []lvs.Service) (ours, theirs time.Duration, err error) {
		err = inNamespace(func() error {
			theirs, err = ipvsadm(rules(services), "-R")
			return err
		})
		if err != nil {
			return 0, 0, err
		}
		err = inNamespace(func() error {
			d, err := startDaemon(program, services)
			if err != nil {
				return err
			}
			defer d.stop()
			ours, err = took(d)
			return err
		})
		return ours, theirs, err
	}
}

// idleRound times a round of the daemon that finds nothing to do: reading the
// table, the desired state, the difference.
func idleRound(program string) func([]lvs.Service) (ours, theirs time.Duration, err error) {
	return func(services []lvs.Service) (ours, theirs time.Duration, err error) {
		err = inNamespace(func() error {
			d, err := startDaemon(program, services)
			if err != nil {
				return err
			}
			defer d.stop()
			if theirs, err = ipvsadm(nil, "-Sn"); err != nil {
				return err
			}
			time.Sleep(2 * resync)
			resident, err := d.resident()
			if err != nil {
				return err
			}
			fmt.Printf("resident memory of the daemon with this table: %s\n", resident)
			s, err := d.status()
			if err != nil {
				return err
			}
			ours = seconds(s.Round)
			return nil
		})
		return ours, theirs, err
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func configuration(dir string, services []lvs.Service) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "[director]\nname = \"bench\"\nresync = %q\nstate_dir = %q\ndata_dir = %q\n", resync, dir, dir)
	for i, s := range services {
		fmt.Fprintf(&b, "[virtual.s%d]\nvip = \"%s\"\nforwarding = \"dr\"\nscheduler = %q\n[virtual.s%d.real]\n", i, s.Key.VIP, s.Scheduler, i)
		for j, server := range s.Servers {
			fmt.Fprintf(&b, "r%d = \"%s\"\n", j, server.Key)
		}
	}
	return b.Bytes()
}
