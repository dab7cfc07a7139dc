package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/daemon"
)

func newReload(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the running director read its configuration again",
		Long: `Make the running director read its configuration again and wait until the kernel
follows. A configuration with an error changes nothing: the one before it stays in
force whole, and 'lvsd status' goes on to say so.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := p.director().Reload(cmd.Context())
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(p.env.Out, "director %s has reloaded: %s done\n", done.Director, count(done.Operations, "operation")); err != nil {
				return err
			}
			if len(done.Errors) > 0 {
				return errors.New("not all could be done, it is tried again:\n  " + strings.Join(done.Errors, "\n  "))
			}
			return nil
		},
	}
}

// director is the running one: behind the socket that was given, or where the
// configuration puts it, be that valid or not.
func (p *paths) director() *control.Client {
	socket := p.socket
	if socket == "" {
		socket = daemon.Socket(p.config)
	}
	return control.Dial(socket)
}
