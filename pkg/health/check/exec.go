package check

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lvsd/lvsd/pkg/process"
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

func (s *Exec) preflight() error { return process.Program{Command: s.Command, User: s.User}.Check() }

func (s *Exec) run(ctx context.Context, t Target) (answer, error) {
	end, err := s.program(t).Run(ctx)
	a := answer{output: end.Output}
	if err != nil {
		return a, s.failure(cause(err), end)
	}
	if a.weight, err = s.judge(end); err != nil {
		return a, s.failure(err, end)
	}
	return a, nil
}

func (s *Exec) failure(err error, end process.End) error {
	line := end.FirstLine()
	if line == "" {
		return fmt.Errorf("%s: %w", s.Command[0], err)
	}
	return fmt.Errorf("%s: %w: %s", s.Command[0], err, quote(line))
}

func (s *Exec) judge(end process.End) (*int32, error) {
	switch code := end.Status.ExitStatus(); {
	case code == 1 && s.WarningOK:
		return nil, nil
	case code >= 2 && s.DynamicWeight:
		weight := int32(code - 2)
		return &weight, nil
	}
	return nil, end.Err()
}

func (s *Exec) program(t Target) process.Program {
	var pairs, env []string
	for _, w := range t.words() {
		pairs = append(pairs, "{"+w.name+"}", w.value)
		env = append(env, "LVSD_"+strings.ToUpper(w.name)+"="+w.value)
	}
	replacer := strings.NewReplacer(pairs...)
	command := []string{s.Command[0]}
	for _, arg := range s.Command[1:] {
		command = append(command, replacer.Replace(arg))
	}
	return process.Program{Command: command, Env: env, User: s.User}
}

type word struct{ name, value string }

func (t Target) words() []word {
	words := []word{
		{"service", t.Names.Service},
		{"server", t.Names.Server},
		{"address", ""},
		{"port", ""},
		{"vip", ""},
		{"vip_port", ""},
	}
	if t.Address.IsValid() { // not where VRRP tracks a program
		words[2].value, words[3].value = t.Address.String(), strconv.Itoa(int(t.Port))
	}
	if vip := t.Names.VIP; vip.IsValid() {
		words[4].value, words[5].value = vip.Addr().String(), strconv.Itoa(int(vip.Port()))
	}
	return words
}
