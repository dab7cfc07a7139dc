package daemon

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/lvsd/lvsd/pkg/config"
)

// settleTime is how long a watched file must be quiet before it is read: an
// editor may write it in several steps.
const settleTime = 200 * time.Millisecond

// watch sees the files of a configuration change. It watches their folders,
// because editors and configuration management replace a file rather than write
// to it; and it always does, because director.watch may be switched on by a
// reload.
type watch struct {
	path    string // of the configuration, absolute
	log     *slog.Logger
	watcher *fsnotify.Watcher // nil where there is none
}

// newWatch begins to watch. It is to be called before the files are read, so
// that no change is missed. The director works without, and the host may only
// have run out of inotify instances (fs.inotify.max_user_instances): that is
// logged.
func newWatch(path string, log *slog.Logger) *watch {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("configuration cannot be watched, director.watch has no effect", "err", err)
	}
	w := &watch{path: path, log: log, watcher: watcher}
	w.follow()
	return w
}

func (w *watch) close() {
	if w.watcher != nil {
		w.watcher.Close()
	}
}

// follow watches the folders of the configuration's files; one that does not
// exist yet is found when the one above it changes.
func (w *watch) follow() {
	if w.watcher == nil {
		return
	}
	for _, folder := range []string{filepath.Dir(w.path), config.Fragments(w.path)} {
		if err := w.watcher.Add(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.log.Warn("configuration not watched", "folder", folder, "err", err)
		}
	}
}

func (w *watch) events() <-chan fsnotify.Event {
	if w.watcher == nil {
		return nil
	}
	return w.watcher.Events
}

func (w *watch) errors() <-chan error {
	if w.watcher == nil {
		return nil
	}
	return w.watcher.Errors
}

// concerns tells whether a path is one of the configuration's files, or the
// folder of its fragments.
func (w *watch) concerns(path string) bool {
	fragments, name := config.Fragments(w.path), filepath.Base(path)
	isFragment := filepath.Dir(path) == fragments && filepath.Ext(name) == ".toml" && !strings.HasPrefix(name, ".")
	return isFragment || path == w.path || path == fragments
}
