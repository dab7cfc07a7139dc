package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// noCommand is the Args of the program itself and of commands that have others: a
// word there is a command that does not exist.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = cmd.Root().SuggestionsMinimumDistance
	hint := ""
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		hint = fmt.Sprintf("; did you mean %s?", strings.Join(like, " or "))
	}
	return fmt.Errorf("unknown command %q%s ('lvsd help' lists the commands)", args[0], hint)
}

// noArgs is the Args of a command that takes flags only.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no arguments, got %q ('%[1]s --help' lists its flags)", cmd.CommandPath(), args[0])
}

// exactly is the Args of a command with so many arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return fmt.Errorf("%s takes %s, got %q ('%[1]s --help' tells more)", cmd.CommandPath(), what, args)
	}
}

// atMost is the Args of a command with an argument that may be left out.
func atMost(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return fmt.Errorf("%s takes one %s at most, got %q ('%[1]s --help' tells more)", cmd.CommandPath(), what, args)
	}
}

func flagError(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w ('%s --help' lists the flags)", err, cmd.CommandPath())
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return noCommand(cmd.Root(), rest)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
