package config

import (
	"errors"
	"strings"

	"github.com/BurntSushi/toml"
)

// StateDir is the state directory that a file and its fragments name, or the
// default one. It is for finding the director that runs with them, so it goes
// by what can be read: problems do not matter, a file that is not TOML counts up
// to the line of its first mistake, and no host name is resolved.
func StateDir(path string) string {
	names, err := files(path)
	if err != nil {
		names = []string{path}
	}
	var ignored problems
	root := &node{table: map[string]*node{}}
	for _, name := range names {
		text, err := readFile(name)
		if err != nil {
			continue
		}
		if n := parseFile(name, sound(text), &ignored); n != nil {
			merge(root, n, &ignored)
		}
	}
	var raw rawFile
	raw.decode(&ignored, root)
	var c checker
	if dir := c.stateDir(&raw.Director.StateDir); c.err() == nil {
		return dir
	}
	return defaultStateDir
}

// sound is as much of a text as is TOML, in whole lines.
func sound(text string) string {
	for text != "" {
		var values map[string]any
		var parse toml.ParseError
		if err := decode(text, &values); !errors.As(err, &parse) {
			break
		}
		mistake := min(len(bom(text))+parse.Position.Start, len(text)-1)
		text = text[:strings.LastIndexByte(text[:mistake], '\n')+1]
	}
	return text
}
