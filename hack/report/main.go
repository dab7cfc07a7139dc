// Report runs `go test -json` commands one after another, shows what go test itself would have shown, and ends with the
// numbers of tests; with -v also once more with what the tests said that did not pass, which a long log hides:
//
//	report [-v] 'LABEL: COMMAND' …
//
// A LABEL that ends with & is of a command that runs beside all others, from the beginning. Its output is shown in its place.
//
// COMMAND is split at blanks. Every test and subtest counts. A skipped test is a failure here, as is a command without any test: a test
// that does not run proves nothing. The exit status is 0 only if every command succeeded, nothing failed and nothing was skipped.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	verbose := flag.Bool("v", false, "show every test, as go test -v does")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: report [-v] 'LABEL: COMMAND' …")
		os.Exit(2)
	}
	suites := make([]*suite, flag.NArg())
	for i, arg := range flag.Args() {
		suites[i] = newSuite(arg, *verbose)
	}
	var total counts
	var lines, again []string
	ok := true
	for _, s := range suites {
		if err := s.wait(); err != nil {
			fmt.Printf("%s: %v\n", s.label, err)
			ok = false
		}
		lines = append(lines, fmt.Sprintf("%s: %s in %s", s.label, s.counts, s.took.Round(time.Second)))
		again = append(again, s.again...)
		total.add(s.counts)
	}
	if len(again) > 0 {
		fmt.Printf("\nonce more, what did not pass:\n\n%s", strings.Join(again, "\n"))
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
