package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/lvsd/lvsd/pkg/secret"
)

// maxFile bounds the files that a check reads, in bytes.
const maxFile = 4 << 20

// loaded is a value made of files. It is made again when a file changed; if
// that goes wrong, the last good value stays in use, because a certificate in
// the middle of its renewal says nothing about the servers.
type loaded[T any] struct {
	paths  []string
	secret bool // refuse files that others than their owner can read
	parse  func(contents [][]byte) (T, error)

	mu     sync.Mutex
	stamps []stamp
	value  T
	ok     bool
}

// stamp is what changes with a file.
type stamp struct {
	modified time.Time
	size     int64
}

func (l *loaded[T]) get() (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ok && l.unchanged() {
		return l.value, nil
	}
	value, stamps, err := l.read()
	if err == nil {
		l.value, l.stamps, l.ok = value, stamps, true
	}
	if l.ok {
		return l.value, nil
	}
	return l.value, err
}

// preflight reads the files afresh, whatever is in use.
func (l *loaded[T]) preflight() error {
	_, _, err := l.read()
	return err
}

func (l *loaded[T]) unchanged() bool {
	for i, path := range l.paths {
		info, err := os.Stat(path)
		if err != nil || stampOf(info) != l.stamps[i] {
			return false
		}
	}
	return true
}

func (l *loaded[T]) read() (T, []stamp, error) {
	var none T
	contents := make([][]byte, len(l.paths))
	stamps := make([]stamp, len(l.paths))
	for i, path := range l.paths {
		var err error
		if contents[i], stamps[i], err = readFile(path, l.secret); err != nil {
			return none, nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	value, err := l.parse(contents)
	if err != nil {
		return none, nil, fmt.Errorf("read %s: %w", l.paths[0], err)
	}
	return value, stamps, nil
}

func stampOf(info os.FileInfo) stamp { return stamp{info.ModTime(), info.Size()} }

func readFile(path string, private bool) ([]byte, stamp, error) {
	// Not waiting for the writer of a pipe.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, stamp{}, cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, stamp{}, cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, stamp{}, errors.New("not a regular file")
	}
	if private {
		if err := secret.Private(info); err != nil {
			return nil, stamp{}, err
		}
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, stamp{}, cause(err)
	}
	return content, stampOf(info), nil
}

// login is a name and the file of its password.
type login struct {
	username string
	secret   *loaded[string]
}

// login checks the fields username and password_file. A login without a
// password_file has an empty password.
func (b *builder) login(username, passwordFile string) login {
	if passwordFile == "" {
		return login{username: username}
	}
	l := &loaded[string]{
		paths:  []string{passwordFile},
		secret: true,
		parse: func(c [][]byte) (string, error) {
			return string(bytes.TrimRight(c[0], "\r\n")), nil
		},
	}
	b.preflight = append(b.preflight, l.preflight)
	return login{username, l}
}

func (l login) password() (string, error) {
	if l.secret == nil {
		return "", nil
	}
	return l.secret.get()
}
