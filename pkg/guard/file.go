// Package guard keeps what the guard's lists are made of: files of networks,
// which others write, and blocks that somebody set by command, which end. It
// knows nothing of the kernel, nor of the configuration.
package guard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/lvsd/lvsd/pkg/lvs"
)

const (
	// mostLines bounds a list: no kernel map of lvsd's is larger.
	mostLines = 4 << 20
	// mostErrors is how many lines of a file that is no list are told.
	mostErrors = 10
)

// LineError is a line of a list that is not a network.
type LineError struct {
	Path     string
	Line     int
	Problem  string
	Expected string
}

func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: %s; expected %s", e.Path, e.Line, e.Problem, e.Expected)
}

const aNetwork = "a network such as 192.0.2.0/24, or an address"

// ReadFile reads a list: one network or address on a line. What follows a "#" or
// a ";" is a comment. A list with a wrong line is no list: the error tells each
// of its first wrong lines.
func ReadFile(path string) (lvs.PrefixSet, error) {
	// Not waiting for the writer of a pipe.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return lvs.PrefixSet{}, unread(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return lvs.PrefixSet{}, unread(path, err)
	}
	if !info.Mode().IsRegular() {
		return lvs.PrefixSet{}, fmt.Errorf("read the list %s: not a regular file", path)
	}
	return read(path, f)
}

func unread(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("read the list %s: %w", path, err)
}

// read reads lines in a buffer of one page: the file may be much larger than the
// set that it makes.
func read(path string, from io.Reader) (lvs.PrefixSet, error) {
	var set lvs.PrefixSetBuilder
	var wrong []error
	lines := bufio.NewReaderSize(from, 4096)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return lvs.PrefixSet{}, unread(path, err)
		}
		if n > mostLines {
			return lvs.PrefixSet{}, fmt.Errorf("read the list %s: more than %d lines", path, mostLines)
		}
		if problem, expected := addLine(&set, line, errors.Is(err, bufio.ErrBufferFull)); problem != "" {
			wrong = append(wrong, &LineError{Path: path, Line: n, Problem: problem, Expected: expected})
		}
		if len(wrong) == mostErrors || errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, io.EOF) {
			break
		}
	}
	if len(wrong) > 0 {
		return lvs.PrefixSet{}, errors.Join(wrong...)
	}
	return set.Set(), nil
}

func addLine(set *lvs.PrefixSetBuilder, line []byte, tooLong bool) (problem, expected string) {
	if tooLong {
		return "a line of more than 4096 bytes", aNetwork
	}
	if i := bytes.IndexAny(line, "#;"); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return "", ""
	}
	p, problem, expected := ParseNetwork(string(line))
	if problem == "" {
		set.Add(p)
	}
	return problem, expected
}

// ParseNetwork reads a network, or an address as the network of one host. If it
// is none the problem says why, and expected what would be accepted.
func ParseNetwork(s string) (p netip.Prefix, problem, expected string) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, errAddr := netip.ParseAddr(s)
		if errAddr != nil || a.Zone() != "" {
			return p, fmt.Sprintf("%q is not a network", clip(s)), aNetwork
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	switch {
	case p.Addr().Is4In6():
		return p, fmt.Sprintf("%s is an IPv4 address in IPv6 clothes", p), netip.PrefixFrom(p.Addr().Unmap(), max(p.Bits()-96, 1)).String()
	case p.Bits() == 0:
		return p, fmt.Sprintf("%s is everybody", p), "a prefix length of 1 or more"
	case p != p.Masked():
		return p, fmt.Sprintf("%s is an address in a network, not the network", p), fmt.Sprintf("%s or %s", p.Masked(), p.Addr())
	}
	return p, "", ""
}

// clip shortens what a file has instead of a network.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
