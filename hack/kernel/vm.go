package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// bootTime is how long a guest may take until it starts the command.
const bootTime = 2 * time.Minute

// A vm is a running guest seen from the host: its temporary directory, its log, and the three streams that its init serves.
type vm struct {
	dir     string
	log     *os.File
	verbose bool

	stdout, stderr io.Reader
	control        io.ReadWriter
	connect        func() error // gets the streams once the guest runs, if they are not there before
	closers        []io.Closer
	started        chan struct{} // closed when the command starts
	code           chan int      // receives the command's exit status
}

func newGuest(verbose bool) (*vm, error) {
	dir, err := os.MkdirTemp("", "lvsd-kernel-")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "boot.log"))
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return &vm{dir: dir, log: log, verbose: verbose, started: make(chan struct{}), code: make(chan int, 1)}, nil
}

func (g *vm) close() {
	for _, c := range g.closers {
		c.Close()
	}
	g.log.Close()
	os.RemoveAll(g.dir)
}

// attachPipes connects the streams to the file descriptors 3 (standard output), 4 (standard error), 5 and 6 (control, in and out) of
// cmd.
func (g *vm) attachPipes(cmd *exec.Cmd) error {
	var ends [4][2]*os.File // reading, writing
	for i := range ends {
		var err error
		if ends[i][0], ends[i][1], err = os.Pipe(); err != nil {
			return err
		}
		g.closers = append(g.closers, ends[i][0], ends[i][1])
	}
	out, errs, in, ctl := ends[0], ends[1], ends[2], ends[3]
	cmd.ExtraFiles = []*os.File{out[1], errs[1], in[0], ctl[1]}
	g.stdout, g.stderr = out[0], errs[0]
	g.control = struct {
		io.Reader
		io.Writer
	}{ctl[0], in[1]}
	return nil
}

// run starts the guest and serves its streams until it ends. It returns the exit status of the command.
func (g *vm) run(ctx context.Context, cmd *exec.Cmd, signals <-chan os.Signal) (int, error) {
	cmd.Stdout, cmd.Stderr = g.log, g.log
	if g.verbose {
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return exitFailure, fmt.Errorf("boot: %w", err)
	}
	stopWatch, err := g.watch(cmd.Process.Pid)
	if err != nil {
		kill(cmd.Process.Pid)
		return exitFailure, err
	}
	defer stopWatch()
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its own status says nothing about the command's
	}()
	if err := g.connectUnless(ended); err != nil {
		kill(cmd.Process.Pid)
		g.showLog()
		return exitFailure, fmt.Errorf("boot: %w", err)
	}
	var streams sync.WaitGroup
	streams.Go(func() { _, _ = io.Copy(os.Stdout, g.stdout) })
	streams.Go(func() { _, _ = io.Copy(os.Stderr, g.stderr) })
	streams.Go(g.listen)

	err = g.supervise(ctx, signals, ended)
	kill(cmd.Process.Pid)
	<-ended
	streams.Wait()
	select {
	case code := <-g.code:
		return code, nil
	default:
	}
	if err == nil {
		err = errors.New("the guest died before the command ended")
	}
	if !g.isStarted() {
		g.showLog()
	}
	return exitFailure, err
}

// connectUnless connects the streams, or gives up when the guest has ended.
func (g *vm) connectUnless(ended <-chan struct{}) error {
	if g.connect == nil {
		return nil
	}
	connected := make(chan error, 1)
	go func() { connected <- g.connect() }()
	select {
	case err := <-connected:
		return err
	case <-ended:
		return errors.New("it ended at once")
	}
}

func (g *vm) isStarted() bool {
	select {
	case <-g.started:
		return true
	default:
		return false
	}
}

// supervise waits for the end of the guest, and forwards signals to it meanwhile.
func (g *vm) supervise(ctx context.Context, signals <-chan os.Signal, ended <-chan struct{}) error {
	boot := time.NewTimer(bootTime)
	defer boot.Stop()
	started := g.started
	for {
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-started:
			boot.Stop()
			started = nil
		case <-boot.C:
			return fmt.Errorf("the guest did not boot within %s", bootTime)
		case sig := <-signals:
			if started != nil {
				return fmt.Errorf("%s before the command started", sig)
			}
			fmt.Fprintf(g.control, "signal %d\n", sig)
		}
	}
}

// listen reads the guest's side of the control channel.
func (g *vm) listen() {
	lines := bufio.NewScanner(g.control)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		var code int
		if line == "started" {
			close(g.started)
		} else if _, err := fmt.Sscanf(line, "exit %d", &code); err == nil {
			g.code <- code
		}
	}
}

// kill ends the process group of a guest: User-Mode Linux keeps further processes for its address spaces and its helpers.
func kill(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

// showLog prints the end of the boot messages.
func (g *vm) showLog() {
	const most = 8 << 10
	b, err := os.ReadFile(g.log.Name())
	if err != nil {
		return
	}
	if len(b) > most {
		b = b[len(b)-most:]
	}
	fmt.Fprintf(os.Stderr, "%s\n", strings.TrimRight(string(b), "\n"))
}
