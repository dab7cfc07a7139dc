package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newCompletion(p *paths) *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Print a script that completes commands and flags in a shell",
		Long: `Print a script that completes commands and flags in a shell.

  bash  lvsd completion bash > /etc/bash_completion.d/lvsd   (with bash-completion)
  zsh   lvsd completion zsh > /usr/local/share/zsh/site-functions/_lvsd
  fish  lvsd completion fish > /etc/fish/completions/lvsd.fish`,
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch strings.Join(args, " ") {
			case "bash":
				return root.GenBashCompletionV2(p.env.Out, true)
			case "zsh":
				return root.GenZshCompletion(p.env.Out)
			case "fish":
				return root.GenFishCompletion(p.env.Out, true)
			}
			return fmt.Errorf("lvsd completion takes one shell, got %q: expected bash, zsh or fish", args)
		},
	}
}
