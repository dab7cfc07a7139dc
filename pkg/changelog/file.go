package changelog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lvsd/lvsd/pkg/durable"
)

// maxLines is when the file is written anew with those that are remembered.
const maxLines = 3 * Length

// maxLine bounds a line in bytes. A cause of thousands of errors is cut by who tells
// it; what is longer is no line of ours.
const maxLine = 1 << 20

// Open reads the changes that a director before this one has left in a directory. A
// file that cannot be read costs the past and nothing else: the log works in any case.
func Open(dir string) (*Log, error) {
	l := &Log{path: filepath.Join(dir, "changes.jsonl"), wake: make(chan struct{}, 1), changed: make(chan struct{})}
	file, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("read the log of changes: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		l.lines++
		var c Change
		// A line that a crash has cut short is passed over.
		if json.Unmarshal(lines.Bytes(), &c) != nil || c.Number <= l.last {
			continue
		}
		l.changes, l.last = append(l.changes, c), c.Number
	}
	if extra := len(l.changes) - Length; extra > 0 {
		l.changes = append([]Change(nil), l.changes[extra:]...)
	}
	l.written = l.last
	if err := lines.Err(); err != nil {
		l.lines = maxLines // it is written anew
		return l, fmt.Errorf("read the log of changes: %w", err)
	}
	return l, nil
}

// Run writes changes to the file until the context ends, and then those that are
// left. An error is given to fail, once until it works again; the changes are written
// later.
func (l *Log) Run(ctx context.Context, fail func(error)) error {
	broken := false
	write := func() {
		err := l.write()
		if err != nil && !broken {
			fail(fmt.Errorf("write the log of changes: %w", err))
		}
		broken = err != nil
	}
	for {
		select {
		case <-ctx.Done():
			write()
			return nil
		case <-l.wake:
			write()
		}
	}
}

func (l *Log) write() error {
	fresh := l.After(l.written)
	if len(fresh) == 0 {
		return nil
	}
	if l.lines+len(fresh) > maxLines {
		all := l.After(0)
		if err := durable.Write(l.path, encode(all), 0o644); err != nil {
			return err
		}
		l.written, l.lines = all[len(all)-1].Number, len(all)
		return nil
	}
	if err := l.append(encode(fresh)); err != nil {
		return err
	}
	l.written, l.lines = fresh[len(fresh)-1].Number, l.lines+len(fresh)
	return nil
}

// append does not wait for the disk: what a crash of the machine takes is the
// last moments of a log.
func (l *Log) append(lines []byte) error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(append(ended(file), lines...))
	return errors.Join(err, file.Close())
}

// ended is what must be written before the next line: the end of a line that a crash
// has cut short.
func ended(file *os.File) []byte {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err == nil && last[0] == '\n' {
		return nil
	}
	return []byte{'\n'}
}

func encode(changes []Change) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, c := range changes {
		_ = e.Encode(c) // plain data into memory: it cannot fail
	}
	return b.Bytes()
}
