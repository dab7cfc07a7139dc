package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A suite is one `go test -json` command with what it says.
type suite struct {
	*printer
	label   string
	command []string
	took    time.Duration

	// Of one that runs beside the others.
	ended            chan error
	said, complaints bytes.Buffer
}

// newSuite reads 'LABEL: COMMAND', and starts the command if it runs beside others.
func newSuite(text string, verbose bool) *suite {
	label, command, _ := strings.Cut(text, ":")
	label, beside := strings.CutSuffix(label, "&")
	s := &suite{label: strings.TrimSpace(label), command: strings.Fields(command)}
	if !beside {
		s.printer = newPrinter(os.Stdout, verbose)
		return s
	}
	s.printer = newPrinter(&s.said, verbose)
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.run(&s.complaints) }()
	return s
}

// wait runs the suite, or waits for one that runs already and shows what it has said.
func (s *suite) wait() error {
	if s.ended == nil {
		return s.run(os.Stderr)
	}
	err := <-s.ended
	_, _ = s.said.WriteTo(os.Stdout)
	_, _ = s.complaints.WriteTo(os.Stderr)
	return err
}

func (s *suite) run(complaints io.Writer) error {
	if len(s.command) == 0 {
		return errors.New("no command")
	}
	begin := time.Now()
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Stderr = complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	rerr := s.read(out)
	_, _ = io.Copy(io.Discard, out)
	werr := cmd.Wait()
	s.took = time.Since(begin)
	if s.counts.passed == 0 {
		werr = errors.Join(werr, errors.New("no test ran"))
	}
	return errors.Join(rerr, werr)
}
