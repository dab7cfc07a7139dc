package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Exit statuses of the launcher's own, as timeout(1) and env(1) have them.
const (
	exitTimeout = 124 // the time-out passed
	exitFailure = 125 // no kernel, or the guest died before the command ended
)

// A launcher runs the command of a spec in one kind of kernel and returns the command's exit status.
type launcher interface {
	run(ctx context.Context, s *spec, signals <-chan os.Signal) (int, error)
}

func main() {
	// A command on the host dies with the thread that started it (PDEATHSIG), so that thread must last as long as we do.
	runtime.LockOSThread()
	switch {
	case os.Getpid() == 1 && os.Getenv(specEnv) != "":
		guestMain(os.Getenv(specEnv))
	case os.Getenv(hostStageEnv) != "":
		os.Exit(hostStage(os.Args[1:]))
	case os.Getenv(watchEnv) != "":
		watchMain(os.Args[1:])
		return
	}
	code, err := launch(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "kernel:", err)
	}
	os.Exit(code)
}

func launch(args []string) (int, error) {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0, nil
	}
	if err != nil {
		return 2, err
	}
	l, err := choose(os.Getenv("KERNEL"), o)
	if err != nil {
		return exitFailure, err
	}
	if _, host := l.(hostKernel); !host {
		if code, err, ok := launchShards(o); ok {
			return code, err
		}
	}
	s, err := newSpec(o)
	if err != nil {
		return exitFailure, err
	}
	ctx := context.Background()
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	code, err := l.run(ctx, s, signals)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return exitTimeout, fmt.Errorf("%s did not end within %s", s.Args[0], o.timeout)
	}
	return code, err
}

type options struct {
	memory  string
	out     string
	rw      []string
	tap     string
	timeout time.Duration
	verbose bool
	args    []string
}

func parseOptions(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("kernel", flag.ContinueOnError)
	f.StringVar(&o.memory, "mem", "2G", "memory of the guest")
	f.StringVar(&o.out, "out", "", "writable directory `DIR` of the host, told to the command as LVSD_OUT")
	f.DurationVar(&o.timeout, "timeout", 0, "kill the guest after this `TIME` and exit with status 124")
	f.BoolVar(&o.verbose, "v", false, "show the guest's boot messages")
	f.Func("rw", "writable directory `DIR` of the host; may be repeated", func(dir string) error {
		o.rw = append(o.rw, dir)
		return nil
	})
	f.StringVar(&o.tap, "tap", "", "`DEVICE` of the launcher's network namespace that is vec0 in the guest, User-Mode Linux only")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.args = f.Args()
	if len(o.args) == 0 {
		return o, errors.New("usage: kernel [flags] -- COMMAND ARGUMENTS…")
	}
	path, err := exec.LookPath(o.args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return o, err
	}
	o.args[0] = path
	return o, nil
}

// choose picks the launcher for a value of KERNEL. Its errors say what to install.
func choose(kernel string, o options) (launcher, error) {
	if o.tap != "" && kernel != "uml" {
		return nil, fmt.Errorf("-tap needs KERNEL=uml, not %q", kernel)
	}
	kind, version, versioned := strings.Cut(kernel, ":")
	if versioned && (kind != "qemu" || version == "") {
		return nil, fmt.Errorf("KERNEL=%s: only qemu takes a version, such as qemu:5.10", kernel)
	}
	switch kind {
	case "host":
		return hostKernel{}, hostUsable()
	case "uml":
		return newUML(o)
	case "qemu":
		return newQEMU(version, o)
	case "":
		if hostUsable() == nil {
			return hostKernel{}, nil
		}
		return newUML(o)
	}
	return nil, fmt.Errorf("KERNEL=%s is none of host, uml, qemu, qemu:VERSION", kernel)
}
