package realserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Sysctl is a kernel parameter that a real server needs.
type Sysctl struct {
	Key    string
	Value  string
	Accept []string `json:",omitempty"` // values that are as good
	// All is a parameter whose larger value wins over this one's, or "".
	All string `json:",omitempty"`
	// Optional is for a value that old kernels do not know.
	Optional bool   `json:",omitempty"`
	Old      string // before it was set; "" if there was no such parameter yet
}

func (s *Sysctl) String() string { return "sysctl " + s.Key }

func (s *Sysctl) found(k *Kernel, _ observed) (string, bool, error) {
	value, err := k.Sysctls.Read(s.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return "no such parameter", false, nil
	}
	if err != nil {
		return "", false, err
	}
	words := s.Key + " = " + value
	if s.All != "" {
		all, err := k.Sysctls.Read(s.All)
		if err != nil {
			return "", false, err
		}
		words += ", " + s.All + " = " + all
		value = max(value, all) // single digits
	}
	return words, value == s.Value || slices.Contains(s.Accept, value), nil
}

func (s *Sysctl) make(_ context.Context, k *Kernel) error {
	err := k.Sysctls.Write(s.Key, s.Value)
	if s.Optional {
		return ignore(err, unix.EINVAL)
	}
	return err
}

func (s *Sysctl) undo(k *Kernel) (string, error) {
	if s.Old == "" { // of an interface that the setup made: it goes with that
		return "", nil
	}
	value, err := k.Sysctls.Read(s.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist): // its interface is gone
		return "", nil
	case err != nil:
		return "", err
	case value == s.Old:
		return "", nil
	case value != s.Value:
		return fmt.Sprintf("%s was changed to %q since: it is left so (it was %q before the setup)", s.Key, value, s.Old), nil
	}
	return "", k.Sysctls.Write(s.Key, s.Old)
}

func (s *Sysctl) making() []string { return []string{assignment(s.Key, s.Value)} }

func (s *Sysctl) undoing() []string {
	if s.Old == "" {
		return nil
	}
	return []string{assignment(s.Key, s.Old)}
}

func assignment(key, value string) string {
	if strings.Contains(value, " ") {
		value = `"` + value + `"`
	}
	return command("sysctl", "-w", key+"="+value)
}
