package check

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Exec runs a program without a shell, with the exit codes of monitoring
// plugins: 0 is up, everything else is down, a signal too. At the deadline its
// whole process group is killed.
//
// The program gets LVSD_SERVICE, LVSD_SERVER, LVSD_ADDRESS, LVSD_PORT, LVSD_VIP
// and LVSD_VIP_PORT in a small environment, and {service}, {server}, {address},
// {port}, {vip} and {vip_port} in its arguments stand for the same:
// ldirectord's convention is ["PROGRAM", "{vip}", "{vip_port}", "{address}", "{port}"].
type Exec struct {
	Command       []string `toml:"command" json:"command,omitempty"`               // absolute path and arguments
	User          string   `toml:"user" json:"user,omitempty"`                     // name or number; default: the daemon's own
	WarningOK     bool     `toml:"warning_ok" json:"warning_ok,omitempty"`         // exit code 1, a plugin's WARNING, is up
	DynamicWeight bool     `toml:"dynamic_weight" json:"dynamic_weight,omitempty"` // exit codes 2 to 255 are up with weight 0 to 253, as keepalived's misc_dynamic
}

// Kind is "exec".
func (*Exec) Kind() string { return "exec" }

// maxOutput is how many bytes of a program's output are kept.
const maxOutput = 4 << 10

// pipeGrace is how long a program's output is waited for after its end, while
// a child that it left behind holds it open.
const pipeGrace = 100 * time.Millisecond

func (s *Exec) compile(b *builder) probe {
	if len(s.Command) == 0 {
		b.fail("command", "is missing")
		return nil
	}
	if !filepath.IsAbs(s.Command[0]) {
		b.fail("command", "%q is not an absolute path", s.Command[0])
	}
	if s.WarningOK && s.DynamicWeight {
		b.fail("warning_ok", "excludes dynamic_weight: both give exit codes a meaning")
	}
	b.preflight = append(b.preflight, s.preflight)
	return s.run
}

func (s *Exec) preflight() error {
	_, lookErr := exec.LookPath(s.Command[0])
	_, userErr := credential(s.User)
	return errors.Join(lookErr, userErr)
}

func (s *Exec) run(ctx context.Context, t Target) (answer, error) {
	cmd, err := s.command(ctx, t)
	if err != nil {
		return answer{}, err
	}
	out := &head{}
	cmd.Stdout, cmd.Stderr = out, out
	err = runGroup(cmd)
	a := answer{output: strings.ToValidUTF8(string(out.kept), "\uFFFD")}
	if ctx.Err() != nil {
		return a, s.failure(cause(ctx.Err()), a.output)
	}
	if cmd.ProcessState == nil {
		return a, s.failure(cause(err), a.output)
	}
	a.weight, err = s.judge(cmd.ProcessState.Sys().(syscall.WaitStatus))
	if err != nil {
		return a, s.failure(err, a.output)
	}
	return a, nil
}

func (s *Exec) failure(err error, output string) error {
	line, _, _ := strings.Cut(strings.TrimSpace(output), "\n")
	if line == "" {
		return fmt.Errorf("%s: %w", s.Command[0], err)
	}
	return fmt.Errorf("%s: %w: %s", s.Command[0], err, quote(line))
}

func (s *Exec) judge(status syscall.WaitStatus) (*int32, error) {
	code := status.ExitStatus()
	switch {
	case status.Signaled():
		return nil, fmt.Errorf("killed by signal %d (%s)", status.Signal(), status.Signal())
	case code == 0, code == 1 && s.WarningOK:
		return nil, nil
	case code >= 2 && s.DynamicWeight:
		weight := int32(code - 2)
		return &weight, nil
	}
	return nil, fmt.Errorf("exit code %d", code)
}

func (s *Exec) command(ctx context.Context, t Target) (*exec.Cmd, error) {
	cred, err := credential(s.User)
	if err != nil {
		return nil, err
	}
	words := t.words()
	var pairs, env []string
	for _, w := range words {
		pairs = append(pairs, "{"+w.name+"}", w.value)
		env = append(env, "LVSD_"+strings.ToUpper(w.name)+"="+w.value)
	}
	replacer := strings.NewReplacer(pairs...)
	var args []string
	for _, arg := range s.Command[1:] {
		args = append(args, replacer.Replace(arg))
	}
	cmd := exec.CommandContext(ctx, s.Command[0], args...)
	cmd.Dir = "/"
	cmd.Env = append(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: cred}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = pipeGrace
	return cmd, nil
}

type word struct{ name, value string }

func (t Target) words() []word {
	words := []word{
		{"service", t.Names.Service},
		{"server", t.Names.Server},
		{"address", t.Address.String()},
		{"port", strconv.Itoa(int(t.Port))},
		{"vip", ""},
		{"vip_port", ""},
	}
	if vip := t.Names.VIP; vip.IsValid() {
		words[4].value, words[5].value = vip.Addr().String(), strconv.Itoa(int(vip.Port()))
	}
	return words
}
