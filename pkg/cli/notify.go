package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/notify"
)

func newNotify(p *paths) *cobra.Command {
	c := &cobra.Command{
		Use:   "notify",
		Short: "Notifications: mail, webhooks and programs",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newNotifyTest(p))
	return c
}

func newNotifyTest(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "test [NAME]",
		Short: "Send a test message to a receiver, or to all of them",
		Long: `Send a test message to the receiver [notify.NAME], or to all of them, and say what
came of it. The running director sends it, as its configuration in force says;
where none runs this command does. Exit code 1: somebody was not reached.`,
		Args: atMost("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			outcomes, err := p.testNotify(cmd.Context(), name)
			if err != nil {
				return err
			}
			return printOutcomes(p.env.Out, outcomes)
		},
	}
}

func printOutcomes(w io.Writer, outcomes []notify.Outcome) error {
	failed := 0
	for _, o := range outcomes {
		text := "taken"
		if o.Error != "" {
			failed, text = failed+1, "NOT taken: "+o.Error
		}
		if _, err := fmt.Fprintf(w, "%s: %s (%.1f s)\n", o.Name, text, o.Took); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s not taken", failed, count(len(outcomes), "test message"))
	}
	return nil
}

func (p *paths) testNotify(ctx context.Context, name string) ([]notify.Outcome, error) {
	outcomes, err := p.director().TestNotify(ctx, name)
	if errors.Is(err, control.ErrNotRunning) && p.socket == "" {
		return daemon.TestNotify(ctx, p.config, name)
	}
	return outcomes, err
}
