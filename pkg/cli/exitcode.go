package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes that commands share.
const (
	exitOK     = 0
	exitError  = 1
	exitDiffer = 2 // lvsd plan: something would change

	exitDeadline = 3 // lvsd drain: connections were left at the deadline
)

// exit is an error that says no more than the exit code.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exits are what a command's exit codes mean, those of every command if it says
// nothing else. It is the one place where they are written: help, manual and
// `lvsd exit-codes` are made of it.
type exits map[int]string

var usualExits = exits{
	exitOK:    "done",
	exitError: "an error, told on standard error; nothing was changed unless it says so",
}

// exitMark begins the name of an annotation that holds an exit code's meaning.
const exitMark = "exit code "

// annotations are for a command that ends otherwise than the others.
func (e exits) annotations() map[string]string {
	all := map[string]string{}
	for code, meaning := range e {
		all[exitMark+strconv.Itoa(code)] = meaning
	}
	return all
}

func exitsOf(c *cobra.Command) exits {
	all := maps.Clone(usualExits)
	for name, meaning := range c.Annotations {
		if code, err := strconv.Atoi(strings.TrimPrefix(name, exitMark)); err == nil {
			all[code] = meaning
		}
	}
	return all
}

// ExitCode is one way in which a command ends.
type ExitCode struct {
	Code    int
	Meaning string
}

// ExitCodes are all the ways in which a command ends, the smallest code first.
func ExitCodes(c *cobra.Command) []ExitCode {
	all := exitsOf(c)
	codes := make([]ExitCode, 0, len(all))
	for _, code := range slices.Sorted(maps.Keys(all)) {
		codes = append(codes, ExitCode{Code: code, Meaning: all[code]})
	}
	return codes
}

func printExitCodes(w io.Writer, c *cobra.Command) {
	for _, e := range ExitCodes(c) {
		fmt.Fprintf(w, "  %d  %s\n", e.Code, e.Meaning)
	}
}

// helpWithExitCodes adds a command's exit codes to its help.
func helpWithExitCodes(help func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(c *cobra.Command, args []string) {
		help(c, args)
		fmt.Fprintln(c.OutOrStdout(), "\nExit codes:")
		printExitCodes(c.OutOrStdout(), c)
	}
}

func newExitCodes(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var b strings.Builder
			b.WriteString("Exit codes of lvsd:\n")
			printExitCodes(&b, cmd.Root())
			special(&b, cmd.Root())
			_, err := io.WriteString(p.env.Out, b.String())
			return err
		},
	}
}

// special prints the commands below one that end otherwise than the others.
func special(w io.Writer, c *cobra.Command) {
	for _, sub := range c.Commands() {
		if !maps.Equal(exitsOf(sub), usualExits) {
			fmt.Fprintf(w, "\nExit codes of %s:\n", sub.CommandPath())
			printExitCodes(w, sub)
		}
		special(w, sub)
	}
}
