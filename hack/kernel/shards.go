package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// shardsEnv names the environment variable that says in how many guests the tests of a Go test binary run at once.
const shardsEnv = "KERNEL_SHARDS"

// fewTests are not worth a second kernel, which takes seconds to boot.
const fewTests = 8

// launchShards runs a Go test binary in several kernels at once, each with its share of the tests, because a kernel of User-Mode Linux uses
// one processor. What the first kernel prints streams through; what the others print comes after it, so that tests do not mix. Anything
// else than many tests runs in one kernel: ok tells whether it was split.
func launchShards(o options) (code int, err error, ok bool) {
	n, err := strconv.Atoi(os.Getenv(shardsEnv))
	if err != nil || n < 2 {
		return 0, nil, false
	}
	shards := split(testNames(o.args), n)
	if len(shards) < 2 {
		return 0, nil, false
	}
	self, err := os.Executable()
	if err != nil {
		return exitFailure, err, true
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)

	var cmds []*exec.Cmd
	for i, names := range shards {
		cmd := exec.Command(self, o.shardArgs(names)...)
		cmd.Env = append(os.Environ(), shardsEnv+"=1")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if i > 0 {
			cmd.Stdout, cmd.Stderr = &bytes.Buffer{}, &bytes.Buffer{}
		}
		// The guest dies with its launcher, and the launcher with us.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
		if err := cmd.Start(); err != nil {
			return exitFailure, err, true
		}
		cmds = append(cmds, cmd)
	}
	go func() {
		for s := range signals {
			for _, cmd := range cmds {
				_ = cmd.Process.Signal(s)
			}
		}
	}()
	return waitShards(cmds), nil, true
}

// waitShards gives the worst exit status.
func waitShards(cmds []*exec.Cmd) int {
	codes := make([]int, len(cmds))
	var done sync.WaitGroup
	for i, cmd := range cmds {
		done.Go(func() {
			_ = cmd.Wait() // the status says it all
			codes[i] = cmd.ProcessState.ExitCode()
		})
	}
	done.Wait()
	for _, cmd := range cmds[1:] {
		_, _ = io.Copy(os.Stdout, cmd.Stdout.(*bytes.Buffer))
		_, _ = io.Copy(os.Stderr, cmd.Stderr.(*bytes.Buffer))
	}
	if slices.Contains(codes, -1) {
		return exitFailure
	}
	return slices.Max(codes)
}

// shardArgs are the launcher's own arguments for some of the tests.
func (o options) shardArgs(names []string) []string {
	args := []string{"-mem", o.memory, "-timeout", o.timeout.String()}
	if o.out != "" {
		args = append(args, "-out", o.out)
	}
	for _, dir := range o.rw {
		args = append(args, "-rw", dir)
	}
	for i, name := range names {
		names[i] = regexp.QuoteMeta(name)
	}
	return append(append(append(args, "--"), o.args...), "-test.run=^("+strings.Join(names, "|")+")$")
}

// testNames are the tests of a Go test binary that is to run all of them, none if it is something else.
func testNames(args []string) []string {
	if !strings.HasSuffix(args[0], ".test") {
		return nil
	}
	for _, flag := range []string{"run", "skip", "list", "bench", "fuzz"} {
		if slices.ContainsFunc(args[1:], func(a string) bool { return strings.HasPrefix(strings.TrimLeft(a, "-"), "test."+flag+"=") }) {
			return nil
		}
	}
	out, err := exec.Command(args[0], "-test.list=^Test").Output()
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(word string) bool { return !strings.HasPrefix(word, "Test") })
}

// split deals names out, so that neighbours, which are often alike, go to different shards.
func split(names []string, shards int) [][]string {
	if len(names) < fewTests {
		return nil
	}
	all := make([][]string, min(shards, len(names)))
	for i, name := range names {
		all[i%len(all)] = append(all[i%len(all)], name)
	}
	return all
}
