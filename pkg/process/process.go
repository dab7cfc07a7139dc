// Package process runs programs that the operator chose, for checks and
// notifications: without a shell, in a small environment, as a user of their
// own, and with nothing left behind when their time is up.
package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// MaxOutput is how many bytes of a program's output are kept.
const MaxOutput = 4 << 10

// pipeGrace is how long a program's output is waited for after its end, while
// a child that it left behind holds it open.
const pipeGrace = 100 * time.Millisecond

// Program is what to run.
type Program struct {
	Command []string // absolute path and arguments
	Env     []string // NAME=VALUE, beside PATH and LANG
	User    string   // name or number; "" is the daemon's own
}

// End is how a program ended.
type End struct {
	Status syscall.WaitStatus
	Output string // the first MaxOutput bytes of both outputs, as UTF-8
}

// Check tells whether the program and its user exist.
func (p Program) Check() error {
	_, lookErr := exec.LookPath(p.Command[0])
	_, userErr := credential(p.User)
	return errors.Join(lookErr, userErr)
}

// Run runs the program. When the context ends first, its whole process group is
// killed and the error is the context's. The error is about the running only:
// how the program ended is in End, whose output is there in any case.
func (p Program) Run(ctx context.Context) (End, error) {
	cred, err := credential(p.User)
	if err != nil {
		return End{}, err
	}
	out := &head{}
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = "/"
	cmd.Env = append(p.Env[:len(p.Env):len(p.Env)], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: cred}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = pipeGrace
	err = runGroup(cmd)
	end := End{Output: strings.ToValidUTF8(string(out.kept), "\uFFFD")}
	if ctx.Err() != nil {
		return end, ctx.Err()
	}
	if cmd.ProcessState == nil {
		return end, err
	}
	end.Status = cmd.ProcessState.Sys().(syscall.WaitStatus)
	return end, nil
}

// Err is nil after exit code 0, and else says how the program ended.
func (e End) Err() error {
	switch code := e.Status.ExitStatus(); {
	case e.Status.Signaled():
		return fmt.Errorf("killed by signal %d (%s)", e.Status.Signal(), e.Status.Signal())
	case code != 0:
		return fmt.Errorf("exit code %d", code)
	}
	return nil
}

// FirstLine is the first line of the output.
func (e End) FirstLine() string {
	line, _, _ := strings.Cut(strings.TrimSpace(e.Output), "\n")
	return line
}

// runGroup runs a command and leaves nothing of its process group behind that
// still holds its output.
func runGroup(cmd *exec.Cmd) error {
	// Pdeathsig is sent when the thread that started the program ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	var failed *exec.ExitError // which hides exec.ErrWaitDelay
	if errors.Is(err, exec.ErrWaitDelay) || errors.As(err, &failed) {
		// Someone of the group lives, or nobody: its number is free for a moment
		// only, and numbers are given out in turn.
		_ = killGroup(cmd)
	}
	return err
}

func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// credential looks up a user with all of its groups; nil is the daemon's own.
func credential(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("user %q: not found", name)
		}
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %q: %w", name, err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, g := range groups {
		if id, err := strconv.ParseUint(g, 10, 32); err == nil {
			cred.Groups = append(cred.Groups, uint32(id))
		}
	}
	return cred, errors.Join(err1, err2)
}

// head keeps the first MaxOutput bytes and takes the rest without complaint.
type head struct{ kept []byte }

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), MaxOutput-len(h.kept))]...)
	return len(p), nil
}
