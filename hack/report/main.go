// Report runs `go test -json` commands one after another, shows what go test itself would have shown, and ends with the numbers of tests:
//
//	report [-v] 'LABEL: COMMAND' …
//
// COMMAND is split at blanks. Every test and subtest counts. A skipped test is a failure here, as is a command without any test: a test
// that does not run proves nothing. The exit status is 0 only if every command succeeded, nothing failed and nothing was skipped.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

func main() {
	verbose := flag.Bool("v", false, "show every test, as go test -v does")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: report [-v] 'LABEL: COMMAND' …")
		os.Exit(2)
	}
	var total counts
	var lines []string
	ok := true
	for _, arg := range flag.Args() {
		label, command, _ := strings.Cut(arg, ":")
		c, err := runSuite(strings.Fields(command), *verbose)
		if err != nil {
			fmt.Printf("%s: %v\n", label, err)
			ok = false
		}
		lines = append(lines, fmt.Sprintf("%s: %s", label, c))
		total.add(c)
	}
	fmt.Println()
	for _, l := range lines {
		fmt.Println(l)
	}
	fmt.Println(total)
	if !ok || total.failed > 0 || total.skipped > 0 {
		os.Exit(1)
	}
}

// runSuite runs one `go test -json` command.
func runSuite(command []string, verbose bool) (counts, error) {
	if len(command) == 0 {
		return counts{}, errors.New("no command")
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return counts{}, err
	}
	if err := cmd.Start(); err != nil {
		return counts{}, err
	}
	p := newPrinter(os.Stdout, verbose)
	rerr := p.read(out)
	_, _ = io.Copy(io.Discard, out)
	werr := cmd.Wait()
	if p.counts.passed == 0 {
		werr = errors.Join(werr, errors.New("no test ran"))
	}
	return p.counts, errors.Join(rerr, werr)
}
