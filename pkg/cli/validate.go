package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/daemon"
)

func newValidate(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check a configuration and name every error in it",
		Long: `Check a configuration, the files of conf.d beside it included. Every error is
told at once as FILE:LINE:COLUMN with what would be accepted. Nothing is changed
and no privilege is needed.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%s takes one FILE, got %q; the files of conf.d belong to it by themselves", cmd.CommandPath(), args)
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return []cobra.Completion{"toml"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path := p.config
			if len(args) == 1 {
				path = args[0]
			}
			c, err := daemon.Validate(cmd.Context(), path)
			if err != nil {
				return err
			}
			if err := daemon.ValidateLists(c); err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.env.Out, "%s is valid: %s\n", path, summary(c))
			return err
		},
	}
}

func summary(c *config.Config) string {
	reals := 0
	for _, v := range c.Virtual {
		reals += len(v.Real)
	}
	return fmt.Sprintf("%s, %s, %s kept on an interface",
		count(len(c.Virtual), "virtual service"), count(reals, "real server"), count(len(c.Addresses), "VIP"))
}

// count writes a number with its noun.
func count(n int, noun string) string {
	switch {
	case n == 1:
	case noun[len(noun)-1] == 's':
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func newReference(p *paths) *cobra.Command {
	return &cobra.Command{
		Use:   "reference [api]",
		Short: "Print a commented configuration with every key and its default",
		Long: `Print a commented configuration with every key and its default; with "api", the
description of the control socket's calls as an OpenAPI document.`,
		ValidArgs: []string{"api"},
		RunE: func(_ *cobra.Command, args []string) error {
			text := ""
			switch strings.Join(args, " ") {
			case "":
				text = config.Reference()
			case "api":
				text = control.Reference()
			default:
				return fmt.Errorf("lvsd reference: unknown word %q: expected api, or nothing for the configuration", strings.Join(args, " "))
			}
			_, err := io.WriteString(p.env.Out, text)
			return err
		},
	}
}
