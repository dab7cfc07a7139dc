package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// listWatch sees the files of lists change. It watches their folders, because
// whoever writes a list replaces the file. What it misses is found at the next
// round: it only makes that sooner.
type listWatch struct {
	log     *slog.Logger
	watcher *fsnotify.Watcher // nil where there is none

	mu    sync.Mutex
	paths []string
}

// newListWatch watches no list yet.
func newListWatch(log *slog.Logger) *listWatch {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("lists cannot be watched, a change takes up to resync", "err", err)
	}
	return &listWatch{log: log, watcher: watcher}
}

// follow says which files are lists now.
func (w *listWatch) follow(paths []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paths = paths
	if w.watcher == nil {
		return
	}
	folders := map[string]bool{}
	for _, path := range paths {
		folders[filepath.Dir(path)] = true
	}
	for _, old := range w.watcher.WatchList() {
		if !folders[old] {
			_ = w.watcher.Remove(old) // it is gone already
		}
	}
	for folder := range folders {
		if err := w.watcher.Add(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.log.Warn("list not watched", "folder", folder, "err", err)
		}
	}
}

func (w *listWatch) concerns(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.paths, path)
}

// run calls a function when a list has changed and is quiet again, until the
// context ends.
func (w *listWatch) run(ctx context.Context, changed func()) error {
	if w.watcher == nil {
		return nil
	}
	defer w.watcher.Close()
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	<-quiet.C
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-w.watcher.Events:
			if w.concerns(event.Name) {
				quiet.Reset(settleTime)
			}
		case <-w.watcher.Errors: // an overflow may have swallowed a change
			quiet.Reset(settleTime)
		case <-quiet.C:
			changed()
		}
	}
}
