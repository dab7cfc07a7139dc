package realserver

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Run makes the host ready and keeps it so until the context ends: it looks again
// when an interface or an address changes, and after each interval. It returns an
// error only if the first setup fails. Nothing is undone at the end, so that it can
// be restarted while clients are served.
func (s *Server) Run(ctx context.Context, c Config, interval time.Duration, log *slog.Logger) error {
	steps, err := s.Setup(ctx, c)
	if err != nil {
		return err
	}
	logSteps(log, "set up", steps)
	kicks := make(chan struct{}, 1)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	watcher.Go(func() {
		if err := s.kernel.Watch(ctx, func() { kick(kicks) }); err != nil {
			log.Warn("changes are only seen after each interval", "err", err)
		}
	})
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-kicks:
		case <-ticker.C:
		}
		s.repair(ctx, c, log)
	}
}

func (s *Server) repair(ctx context.Context, c Config, log *slog.Logger) {
	steps, err := s.Setup(ctx, c)
	if err != nil && ctx.Err() == nil {
		log.Error("repair", "err", err)
	}
	logSteps(log, "repaired", steps)
}

func logSteps(log *slog.Logger, what string, steps []Step) {
	for _, step := range steps {
		log.Info(what, "op", step.String())
	}
}

// kick asks for another look, if none is asked for already.
func kick(kicks chan<- struct{}) {
	select {
	case kicks <- struct{}{}:
	default:
	}
}
