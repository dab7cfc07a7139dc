package daemon

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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
	ends    []string          // where the links of its files led when they were last followed
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

// follow watches the folders of the configuration's files, and of those that they
// are links to; one that does not exist yet is found when the one above it changes.
func (w *watch) follow() {
	if w.watcher == nil {
		return
	}
	w.ends = w.links()
	folders := []string{filepath.Dir(w.path), config.Fragments(w.path)}
	for _, end := range w.ends {
		folders = append(folders, filepath.Dir(end))
	}
	for _, old := range w.watcher.WatchList() {
		if !slices.Contains(folders, old) {
			_ = w.watcher.Remove(old) // it is gone already
		}
	}
	for _, folder := range folders {
		if err := w.watcher.Add(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.log.Warn("configuration not watched", "folder", folder, "err", err)
		}
	}
}

// links are the files of the configuration, and the folder of its fragments, where
// all links on the way to them lead.
func (w *watch) links() []string {
	fragments := config.Fragments(w.path)
	paths := []string{w.path, fragments}
	entries, _ := os.ReadDir(fragments) // reading the configuration tells why not
	for _, e := range entries {
		paths = append(paths, filepath.Join(fragments, e.Name()))
	}
	var ends []string
	for _, path := range paths {
		if end, err := filepath.EvalSymlinks(path); err == nil && w.concerns(path) {
			ends = append(ends, end)
		}
	}
	return ends
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

// changed tells whether an event at a path may have changed the configuration: at
// one of its files, at the end of a link, or at a link on the way, which is seen by
// where it leads now.
func (w *watch) changed(path string) bool {
	return w.concerns(path) || slices.Contains(w.ends, path) || !slices.Equal(w.ends, w.links())
}

// concerns tells whether a path is one of the configuration's files, or the
// folder of its fragments.
func (w *watch) concerns(path string) bool {
	fragments, name := config.Fragments(w.path), filepath.Base(path)
	isFragment := filepath.Dir(path) == fragments && filepath.Ext(name) == ".toml" && !strings.HasPrefix(name, ".")
	return isFragment || path == w.path || path == fragments
}
