package cli

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/daemon"
)

func newDirector(p *paths) *cobra.Command {
	var format, level string
	c := &cobra.Command{
		Use:   "director",
		Short: "Run the director daemon",
		Long: `Run the director in the foreground until SIGTERM or SIGINT; forwarding stays in
place when it stops, unless director.on_stop = "flush". SIGHUP or 'lvsd reload'
makes it read its file again; a file with an error changes nothing. SIGUSR2 puts
the program that is on disk now in its place, in the same process: an upgrade
that others do not notice.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogger(p.env.Err, format, level)
			if err != nil {
				return err
			}
			return daemon.Run(cmd.Context(), daemon.Options{
				Config: p.config, Socket: p.socket, Version: p.env.Version, Log: log,
			})
		},
	}
	c.Flags().StringVar(&format, "log-format", "text", "text or json")
	c.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return c
}

func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: expected debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("--log-format %q: expected text or json", format)
}
