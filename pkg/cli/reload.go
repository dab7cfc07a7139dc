package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/daemon"
)

func newReload(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the running director read its configuration again",
		Long: `Make the running director read its configuration again and wait until the kernel
follows. A configuration with an error changes nothing; the old one stays in
force whole.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := p.client(cmd.Context())
			if err != nil {
				return err
			}
			done, err := client.Reload(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(p.env.Out, "reloaded: %s done\n", count(done.Operations, "operation"))
			for _, text := range done.Errors {
				fmt.Fprintln(p.env.Err, "lvsd:", text)
			}
			if len(done.Errors) > 0 {
				return exit(exitError)
			}
			return nil
		},
	}
}

// client finds the running director: by its socket, or by its configuration.
func (p *paths) client(ctx context.Context) (*control.Client, error) {
	if p.socket != "" {
		return control.Dial(p.socket), nil
	}
	c, err := daemon.Validate(ctx, p.config)
	if err != nil {
		return nil, err
	}
	return control.Dial(daemon.Socket(c)), nil
}
