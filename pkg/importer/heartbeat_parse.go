package importer

import (
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
)

// haLine is a line of ha.cf: a word with its arguments.
type haLine []token

func (l haLine) arg(i int) string {
	if i < len(l) {
		return l[i].text
	}
	return ""
}

// parseHA reads ha.cf. Its words are lower case.
func parseHA(f File) []haLine {
	var all []haLine
	number := 0
	for text := range strings.Lines(f.Text) {
		number++
		text, _, _ = strings.Cut(strings.TrimRight(text, "\r\n"), "#")
		if words := fields(config.Position{File: f.Name, Line: number}, text); len(words) > 0 {
			all = append(all, words)
		}
	}
	return all
}

// group is a line of haresources: the node that has the resources if it can.
type group struct {
	node      token
	resources []resource
}

// resource is NAME::ARGUMENT::…, or an address alone.
type resource struct {
	pos  config.Position
	name string
	args []string
}

func (r resource) arg(i int) string {
	if i < len(r.args) {
		return r.args[i]
	}
	return ""
}

// parseResources reads haresources, where a backslash continues a line.
func parseResources(f File) []group {
	var all []group
	number, goesOn := 0, false
	for text := range strings.Lines(f.Text) {
		number++
		text, _, _ = strings.Cut(strings.TrimRight(text, "\r\n"), "#")
		text, more := strings.CutSuffix(strings.TrimRight(text, " \t"), `\`)
		for i, w := range fields(config.Position{File: f.Name, Line: number}, text) {
			if i == 0 && !goesOn {
				all = append(all, group{node: w})
				continue
			}
			parts := strings.Split(w.text, "::")
			r := resource{w.pos, parts[0], parts[1:]}
			if strings.Trim(r.name, "0123456789./") == "" && strings.Contains(r.name, ".") || strings.Contains(r.name, "/") && len(r.args) == 0 {
				r = resource{w.pos, "IPaddr", []string{w.text}}
			}
			g := &all[len(all)-1]
			g.resources = append(g.resources, r)
		}
		goesOn = more && len(all) > 0
	}
	return all
}

// haTime reads a time of ha.cf: seconds, or milliseconds with "ms".
func haTime(text string) (time.Duration, bool) {
	if ms, ok := strings.CutSuffix(text, "ms"); ok {
		d, ok := seconds(ms)
		return d / 1000, ok
	}
	return seconds(strings.TrimSuffix(text, "s"))
}
