package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/reconcile"
)

func newPlan(p *paths) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Say what would change in the kernel, and change nothing",
		Long: `Compare the configuration with the kernel and print the operations that would
make them agree, in their order.`,
		Annotations: exits{exitOK: "nothing would change", exitDiffer: "something would change"}.annotations(),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			round, err := daemon.Plan(cmd.Context(), p.config)
			if err != nil && len(round.Results) == 0 {
				return err
			}
			if errPrint := printOps(p.env.Out, round, asJSON); err != nil || errPrint != nil {
				return errors.Join(err, errPrint)
			}
			if len(round.Results) > 0 {
				return exit(exitDiffer)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of the operations")
	return c
}

func newApply(p *paths) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "apply",
		Short: "Make the kernel agree with the configuration, once, without a daemon",
		Long: `Do once what the director does for ever, and print the operations that were done.
It is refused while a director runs: 'lvsd reload' is the command for that. Checks
run in the director only: a new server that has some waits with weight 0. What was
drained stays drained.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			round, err := daemon.Apply(cmd.Context(), p.config)
			if errPrint := printOps(p.env.Out, round, asJSON); errPrint != nil && err == nil {
				return errPrint
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of the operations")
	return c
}

// printOps prints the operations that were planned, or done without an error.
func printOps(w io.Writer, round reconcile.Round, asJSON bool) error {
	texts := []string{}
	for _, r := range round.Results {
		if r.Err == nil {
			texts = append(texts, r.Op.String())
		}
	}
	if asJSON {
		return json.NewEncoder(w).Encode(texts)
	}
	lines := bufio.NewWriter(w)
	for _, text := range texts {
		fmt.Fprintln(lines, text)
	}
	return lines.Flush()
}
