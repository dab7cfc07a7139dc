// Package secret reads passwords and tokens from files, and refuses those that
// others than their owner can read.
package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxFile bounds a secret in bytes: the largest are tokens of some kilobytes.
const maxFile = 64 << 10

// Private refuses a file whose mode gives anything to group or others.
func Private(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("mode %#o lets others than its owner read it: expected 0600", mode)
	}
	return nil
}

// Read gives the content of a private file without the line ends at its end.
func Read(path string) (string, error) {
	text, err := read(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return text, nil
}

func read(path string) (string, error) {
	// Not waiting for the writer of a pipe.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	if err := Private(info); err != nil {
		return "", err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "", err
	}
	content = bytes.TrimRight(content, "\r\n")
	if len(content) == 0 {
		return "", errors.New("it is empty")
	}
	return string(content), nil
}
