package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/status"
)

func newStatus(p *paths) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status [SERVICE/SERVER]",
		Short: "Show virtual services and real servers as the kernel has them",
		Long: `Show every virtual service with its real servers, weights, connections and rates.
A running director adds what it knows; where none runs, the kernel is read
directly, which needs root. With SERVICE/SERVER, the names in the configuration,
the latest probes of that server's checks are shown, with what came of them.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				list, err := p.probes(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(p.env.Out, list)
				}
				return printProbes(p.env.Out, list)
			}
			s, err := p.status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(p.env.Out, s)
			}
			return printStatus(p.env.Out, s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// status asks the running director, or reads the kernel where none runs and none
// was named. A configuration that is not valid hides neither: a director has its
// own, and the kernel's services go without names.
func (p *paths) status(ctx context.Context) (status.Status, error) {
	s, err := p.director().Status(ctx)
	if p.socket != "" || !errors.Is(err, control.ErrNotRunning) {
		return s, err
	}
	c, errConfig := daemon.Validate(ctx, p.config)
	if errConfig != nil {
		c = &config.Config{}
	}
	s, err = daemon.Status(ctx, c, p.env.Version)
	if err == nil && errConfig != nil {
		s.Warnings = append(s.Warnings, "the configuration is not valid, so services have no names here:\n"+errConfig.Error())
	}
	return s, err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
