package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// maxFile is the largest file in bytes: several times what a director with
// 10,000 services of ten real servers needs.
const maxFile = 8 << 20

// Fragments is the folder of the further files that belong to the one at path.
func Fragments(path string) string { return filepath.Join(filepath.Dir(path), "conf.d") }

// files lists a file and the *.toml files of the directory conf.d beside it,
// in the order of their names. Names that begin with a dot are left out, as a
// shell would: editors keep theirs there.
func files(path string) ([]string, error) {
	all := []string{path}
	if filepath.Ext(path) != ".toml" {
		return all, nil
	}
	dir := Fragments(path)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name := e.Name(); filepath.Ext(name) == ".toml" && !strings.HasPrefix(name, ".") {
			all = append(all, filepath.Join(dir, name))
		}
	}
	return all, nil
}

// readFile reads a text file. It does not wait for the writer of a pipe.
func readFile(path string) (string, error) {
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
		return "", fmt.Errorf("%s is not a regular file", kindOf(info.Mode()))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxFile {
		return "", fmt.Errorf("configuration file too large: more than %d MiB", maxFile>>20)
	}
	if strings.IndexByte(string(data), 0) >= 0 || !utf8.Valid(data) {
		return "", errors.New("not a text file: TOML is UTF-8 without NUL bytes")
	}
	return string(data), nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// parseFile gives the values of a text with their positions, or nil and a
// problem.
func parseFile(name, text string, p *problems) *node {
	at := positions(name, text)
	root, off, err := scan(text)
	if errors.Is(err, errDeep) {
		p.add(at(off), fmt.Sprintf("at most %d levels", maxDepth), "%v", errDeep)
		return nil
	}
	var values map[string]any
	if err := decode(text, &values); err != nil {
		addSyntax(p, name, len(bom(text)), at, err)
		return nil
	}
	return join("", values, root, at)
}

// decode runs the TOML decoder. The decoder panics where it finds a mistake of
// its own, and a file must not end the daemon.
func decode(text string, values *map[string]any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("TOML decoder: %v", r)
		}
	}()
	_, err = toml.Decode(text, values)
	return err
}

// addSyntax adds what the decoder says. Its own column is that of the line
// before if a problem stands at the beginning of a line, and it counts from
// after a byte order mark, so only its offset is used.
func addSyntax(p *problems, name string, skipped int, at func(int) Position, err error) {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		p.add(Position{File: name}, "", "not TOML: %v", err)
		return
	}
	p.add(at(skipped+parse.Position.Start), "", "not TOML: %s", parse.Message)
}

// positions gives a function from offsets in a text to positions.
func positions(name, text string) func(offset int) Position {
	starts := []int{0}
	for i := range len(text) {
		if text[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	return func(offset int) Position {
		offset = max(0, min(offset, len(text)))
		line := sort.SearchInts(starts, offset+1)
		return Position{File: name, Line: line, Column: offset - starts[line-1] + 1}
	}
}
