package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
)

func newTop(p *paths) *cobra.Command {
	var interval time.Duration
	order := byRate
	c := &cobra.Command{
		Use:   "top",
		Short: "Watch the real servers live",
		Long: `Show all real servers with their rates, connections and health in the terminal, again
and again. The keys are in the last line: the order is by connections a second,
bytes a second, open connections, errors (what is down or fails stands first) or
name.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < minWatch {
				return fmt.Errorf("--interval %s: expected at least %s", interval, minWatch)
			}
			in, ok := p.env.In.(*os.File)
			if !ok || !isTerminal(in) || !isTerminal(p.env.Out) {
				return errors.New("lvsd top needs a terminal; 'lvsd status --watch' writes to pipes and files as well")
			}
			return p.top(cmd.Context(), in, topModel{interval: interval, order: order})
		},
	}
	c.Flags().DurationVar(&interval, "interval", time.Second, "the time between two looks")
	c.Flags().Var(&order, "sort", "rate, bytes, connections, errors or name")
	return c
}

// top runs the model in the terminal until somebody quits.
func (p *paths) top(ctx context.Context, in *os.File, m topModel) error {
	m.ask = func() tea.Msg {
		s, err := p.status(ctx)
		return topSeen{s, err}
	}
	m.colours = p.env.colours()
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(p.env.Out)).Run()
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}
