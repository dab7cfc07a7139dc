package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/changelog"
)

// followWait is how long one question for the next change may last.
const followWait = 30 * time.Second

func newLog(p *paths) *cobra.Command {
	var asJSON, follow bool
	var lines int
	c := &cobra.Command{
		Use:   "log",
		Short: "Show what has changed of late, and why",
		Long: `Show the latest changes of state with their causes, the oldest first: servers that
failed or came back, services without enough servers, roles, what operators said,
drift that was repaired, errors of the kernel, configurations that were taken or
refused. The director remembers the last thousand, also over a restart.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lines < 0 {
				return fmt.Errorf("--lines %d: expected 0 for all, or a number", lines)
			}
			list, err := p.director().Changes(cmd.Context(), 0, 0)
			if err != nil {
				return err
			}
			last := uint64(0)
			if len(list) > 0 {
				last = list[len(list)-1].Number
			}
			if lines > 0 && len(list) > lines {
				list = list[len(list)-lines:]
			}
			print := printChanges
			if asJSON {
				print = printChangeLines
			}
			if err := print(p.env.Out, list); err != nil || !follow {
				return err
			}
			return p.follow(cmd.Context(), last, print)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object on a line for each change")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what changes from now on, also over a restart of the director")
	c.Flags().IntVarP(&lines, "lines", "n", 0, "the last `N` changes only; 0 is all")
	return c
}

// follow prints changes as they come. A director that does not run may be on its way
// up again.
func (p *paths) follow(ctx context.Context, last uint64, print func(io.Writer, []changelog.Change) error) error {
	for {
		list, err := p.director().Changes(ctx, last, followWait)
		switch {
		case away(err):
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pollPause):
			}
			continue
		case err != nil:
			return err
		}
		if err := print(p.env.Out, list); err != nil {
			return err
		}
		if len(list) > 0 {
			last = list[len(list)-1].Number
		}
	}
}

func printChanges(w io.Writer, list []changelog.Change) error {
	var b strings.Builder
	for _, c := range list {
		mark := " "
		if c.Trouble {
			mark = "!"
		}
		fmt.Fprintf(&b, "%s %s %s", c.Time.Format(time.DateTime), mark, c.Text)
		if c.Cause != "" {
			fmt.Fprintf(&b, ": %s", indent(c.Cause))
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printChangeLines(w io.Writer, list []changelog.Change) error {
	e := json.NewEncoder(w)
	for _, c := range list {
		if err := e.Encode(c); err != nil {
			return err
		}
	}
	return nil
}
