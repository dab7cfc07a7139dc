package realserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/durable"
)

// state is the file that remembers what the setup made, in order, with what was
// there before. It is written before each step, so that whatever happens in the
// middle, what has been done is known.
type state struct {
	path  string
	lock  *os.File
	Items []Item
}

// openState reads the file in a directory, which it makes, and locks it against
// other processes. No file is an empty state.
func openState(dir string) (*state, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "realserver.lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errors.New("another `lvsd realserver` is at work")
		}
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	s, err := readState(dir)
	if err != nil {
		lock.Close()
		return nil, err
	}
	s.lock = lock
	return s, nil
}

// readState reads the file without a lock.
func readState(dir string) (*state, error) {
	s := &state{path: filepath.Join(dir, "realserver.json")}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the setup made: %w", err)
	}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("read what the setup made: %s: %w", s.path, err)
	}
	if slices.ContainsFunc(s.Items, func(i Item) bool { return i.thing() == nil }) {
		return nil, fmt.Errorf("read what the setup made: %s: an unknown kind of item", s.path)
	}
	return s, nil
}

func (s *state) close() { s.lock.Close() }

// get finds what is remembered under an item's name.
func (s *state) get(i Item) (Item, bool) {
	at := slices.IndexFunc(s.Items, func(o Item) bool { return o.String() == i.String() })
	if at < 0 {
		return Item{}, false
	}
	return s.Items[at], true
}

// add remembers an item. What is remembered already stays: the value before a
// second setup is the first one's.
func (s *state) add(i Item) error {
	if _, ok := s.get(i); ok {
		return nil
	}
	s.Items = append(s.Items, i)
	return s.save()
}

func (s *state) remove(i Item) error {
	s.Items = slices.DeleteFunc(s.Items, func(o Item) bool { return o.String() == i.String() })
	return s.save()
}

// save replaces the file whole, or deletes it if there is nothing to remember.
func (s *state) save() error {
	if len(s.Items) == 0 {
		err := os.Remove(s.path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write what the setup makes: %w", err)
	}
	if err := durable.Write(s.path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write what the setup makes: %w", err)
	}
	return nil
}
