// Package cli is the command line: one file for each noun. Commands read flags,
// call the daemon, or its package where none runs, and print; they touch no
// kernel themselves.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Env is all that the command line takes from the process around it.
type Env struct {
	Args    []string
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Getenv  func(string) string
	Version string
}

const defaultConfig = "/etc/lvsd/director.toml"

// Run does what the arguments say and gives the exit code.
func Run(ctx context.Context, env Env) int {
	root := New(env)
	root.SetArgs(env.Args)
	err := root.ExecuteContext(ctx)
	var code exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(env.Err, "lvsd:", strings.TrimSuffix(line, "\n"))
	}
	return exitError
}

// paths are the flags that say which director is meant.
type paths struct {
	env    Env
	config string
	socket string
}

// New gives the tree of all commands, from which manuals and completions are made
// too.
func New(env Env) *cobra.Command {
	p := &paths{env: env}
	root := &cobra.Command{
		Use:           "lvsd",
		Short:         "Linux Virtual Server director",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp())
	root.SetHelpFunc(helpWithExitCodes(root.HelpFunc()))
	root.CompletionOptions.DisableDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.PersistentFlags().StringVarP(&p.config, "config", "c", defaultConfig, "the director's configuration `FILE`")
	root.PersistentFlags().StringVar(&p.socket, "socket", env.Getenv("LVSD_SOCKET"),
		"control socket `PATH` of a running director (LVSD_SOCKET; default: the one of the configuration)")
	root.AddCommand(
		newDirector(p), newValidate(p), newImport(p), newReference(p), newPlan(p), newApply(p), newStatus(p), newReload(p), newNotify(p),
		newDrain(p), newEnable(p), newWeight(p), newLog(p), newWhy(p), newTop(p),
		newNagios(p), newFailover(p), newRole(p), newSync(p), newGuard(p), newRealServer(p), newVersion(p), newCompletion(p), newExitCodes(p),
	)
	return root
}

const rootHelp = `lvsd keeps the kernel's IPVS tables as a TOML file describes them: virtual
services and their real servers, VIP addresses, masquerade rules and the kernel
parameters that they need. Packets never pass through it: it can stop, crash or
be upgraded while traffic flows.

To begin:
  lvsd reference > /etc/lvsd/director.toml   a commented file with every key
  lvsd validate                              is the file right?
  lvsd plan                                  what would change in the kernel?
  lvsd director                              the daemon
  lvsd status                                is it well?`
