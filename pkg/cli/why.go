package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/status"
)

func newWhy(p *paths) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "why SERVICE/SERVER",
		Short: "Why a real server has the weight that it has",
		Long: `Explain in sentences how the weight of a real server in the kernel came about: what the
configuration gives it, what its checks say, what operators have said, whether its
service has enough servers, whether clients come to this director at all, and what
the kernel has.`,
		Args:              exactly(1, "SERVICE/SERVER"),
		ValidArgsFunction: p.completeServers,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := override.ParseTarget(args[0])
			if err != nil || t.Scope != override.OneServer {
				return fmt.Errorf("%q names no server: expected SERVICE/SERVER", args[0])
			}
			s, err := p.status(cmd.Context())
			if err != nil {
				return err
			}
			list := status.WhyOf(s, t.Virtual, t.Server)
			if len(list) == 0 {
				return fmt.Errorf("there is no real server %s%s", t, config.DidYouMean(t.String(), serverNames(s)))
			}
			if asJSON {
				return printJSON(p.env.Out, list)
			}
			return p.env.painted(func(w io.Writer) error { return printWhy(w, list) })
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printWhy(w io.Writer, list []status.Why) error {
	var b strings.Builder
	for i, why := range list {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s (%s) in %s: weight %d\n", why.Server, why.Address, why.Service, why.Weight)
		for _, step := range why.Steps {
			fmt.Fprintf(&b, "  %-9s %s\n", step.Part, indent(step.Text))
		}
		fmt.Fprintf(&b, "  %-9s %s\n", "so", why.Result)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// serverNames are those of all configured real servers, each once: "web/web1".
func serverNames(s status.Status) []string {
	var names []string
	seen := map[string]bool{}
	for _, v := range s.Services {
		for _, r := range v.Servers {
			name := v.Virtual + "/" + r.Name
			if r.Name != "" && !r.Fallback && !seen[name] {
				names, seen[name] = append(names, name), true
			}
		}
	}
	return names
}

// completeServers completes SERVICE/SERVER with what the running director has.
func (p *paths) completeServers(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	s, err := p.director().Status(ctx)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return serverNames(s), cobra.ShellCompDirectiveNoFileComp
}
