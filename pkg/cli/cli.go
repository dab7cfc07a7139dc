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
	Out     io.Writer
	Err     io.Writer
	Getenv  func(string) string
	Version string
}

// The exit codes, as `lvsd help exit-codes` says them.
const (
	exitOK     = 0
	exitError  = 1
	exitDiffer = 2 // lvsd plan: something would change
)

const defaultConfig = "/etc/lvsd/director.toml"

// exit is an error that says no more than the exit code.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Run does what the arguments say and gives the exit code.
func Run(ctx context.Context, env Env) int {
	root := newRoot(env)
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

func newRoot(env Env) *cobra.Command {
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
	root.CompletionOptions.DisableDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.PersistentFlags().StringVarP(&p.config, "config", "c", defaultConfig, "the director's configuration `FILE`")
	root.PersistentFlags().StringVar(&p.socket, "socket", env.Getenv("LVSD_SOCKET"),
		"control socket `PATH` of a running director (LVSD_SOCKET; default: the one of the configuration)")
	root.AddCommand(
		newDirector(p), newValidate(p), newReference(p), newPlan(p), newApply(p), newStatus(p), newReload(p), newNotify(p),
		newNagios(p), newFailover(p), newRole(p), newSync(p), newRealServer(p), newVersion(p), newCompletion(p), newExitCodes(p),
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

func newExitCodes(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(p.env.Out, exitCodes)
			return err
		},
	}
}

const exitCodes = `Exit codes of lvsd:
  0  done; for plan: nothing would change
  1  an error, told on standard error; nothing was changed unless it says so;
     for realserver status: this host is not ready
  2  plan only: something would change
nagios has those of a monitoring plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
`
