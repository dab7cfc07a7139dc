package importer

import (
	"regexp"
	"sync"
)

// A pattern is compiled when it is first asked for: all of them take some
// milliseconds, which every command would wait that imports nothing.
type pattern func() *regexp.Regexp

func patternOf(expression string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
