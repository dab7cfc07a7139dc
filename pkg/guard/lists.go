package guard

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Lists keeps what files of networks said when they were last right. A file that
// goes away or goes bad changes nothing but that it is told.
type Lists struct {
	log *slog.Logger

	mu    sync.Mutex
	files map[string]*file
	fails uint64
}

// file is one list.
type file struct {
	known bool // set is what the file once said
	set   lvs.PrefixSet
	err   error // why the last reading gave nothing
	read  stamp // of what was read last, whether it was right or not
}

// stamp tells one content of a file from another, without reading it. A file
// that is replaced has another inode.
type stamp struct {
	size  int64
	mtime time.Time
	inode os.FileInfo
}

func (s stamp) same(o stamp) bool {
	return s.inode != nil && o.inode != nil && os.SameFile(s.inode, o.inode) && s.size == o.size && s.mtime.Equal(o.mtime)
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{size: info.Size(), mtime: info.ModTime(), inode: info}
}

// NewLists makes lists of no files.
func NewLists(log *slog.Logger) *Lists { return &Lists{log: log, files: map[string]*file{}} }

// Follow says which files are lists from now on, and reads those that are new or
// have changed. It tells whether any list is another one now.
func (l *Lists) Follow(paths []string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.files, func(path string, _ *file) bool { return !slices.Contains(paths, path) })
	for _, path := range paths {
		if l.files[path] == nil {
			l.files[path] = &file{}
		}
	}
	return l.refresh()
}

// Refresh reads the files that have changed, and those that could not be read.
// It tells whether any list is another one now.
func (l *Lists) Refresh() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refresh()
}

// refresh is Refresh; the caller holds the lock.
func (l *Lists) refresh() bool {
	changed := false
	for _, path := range slices.Sorted(maps.Keys(l.files)) {
		changed = l.readFile(path, l.files[path]) || changed
	}
	return changed
}

func (l *Lists) readFile(path string, f *file) (changed bool) {
	now := stampOf(path)
	if now.same(f.read) {
		return false
	}
	set, err := ReadFile(path)
	f.read = now
	if err != nil {
		if f.err == nil || f.err.Error() != err.Error() {
			l.fails++
			l.log.Error("list not read, what it said before stays in force", "path", path, "known", f.known, "err", err)
		}
		f.err = err
		return false
	}
	changed = !f.known || !f.set.Equal(set)
	if changed || f.err != nil {
		l.log.Info("list read", "path", path, "prefixes", set.Len())
	}
	f.set, f.known, f.err = set, true, nil
	return changed
}

// Set is what these files say together. It is not complete if one of them could
// never be read: nobody knows what else is in it.
func (l *Lists) Set(paths []string) (set lvs.PrefixSet, complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	complete = true
	var sets []lvs.PrefixSet
	for _, path := range paths {
		f := l.files[path]
		if f == nil || !f.known {
			complete = false
			continue
		}
		sets = append(sets, f.set)
	}
	return lvs.Union(sets...), complete
}

// Err is why lists could not be read the last time, nil if all could.
func (l *Lists) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(l.files)) {
		errs = append(errs, l.files[path].err)
	}
	return errors.Join(errs...)
}

// Failures counts the readings that gave an error which was not told before.
func (l *Lists) Failures() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fails
}
