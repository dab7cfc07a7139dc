// Package docs holds what is written for people against the program: configurations load, commands and flags exist, links lead somewhere, and the
// tables of other programs' words have all of them.
package docs

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/cli"
	"github.com/lvsd/lvsd/pkg/config"
)

const top = "../.."

// pages are all texts in Markdown, by their path from the top.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md"} {
		paths, err := filepath.Glob(filepath.Join(top, pattern))
		must(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			must(t, err)
			name, err := filepath.Rel(top, path)
			must(t, err)
			all[name] = string(text)
		}
	}
	return all
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks are the fenced texts of a language.
func blocks(page string, languages ...string) []string {
	var all []string
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		if slices.Contains(languages, m[1]) {
			all = append(all, m[2])
		}
	}
	return all
}

// Each configuration in a text is one that lvsd accepts as it stands.
func TestConfigurations(t *testing.T) {
	count := 0
	for name, page := range pages(t) {
		for _, text := range blocks(page, "toml") {
			count++
			path := filepath.Join(t.TempDir(), "director.toml")
			must(t, os.WriteFile(path, []byte(text), 0o600))
			if _, err := config.Load(t.Context(), path, net.DefaultResolver); err != nil {
				t.Errorf("%s:\n%s\n%v", name, text, err)
			}
		}
	}
	t.Logf("%d configurations", count)
	if count < 10 {
		t.Errorf("only %d configurations found", count)
	}
}

var (
	inline  = regexp.MustCompile("`(lvsd [^`]*)`")
	ofShell = regexp.MustCompile(`(?m)^(?:[$#] |sudo )?(lvsd .*)$`)
)

// Each command line in a text is one that lvsd knows, flags included.
func TestCommands(t *testing.T) {
	count := 0
	for name, page := range pages(t) {
		var lines []string
		for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
			lines = append(lines, m[1])
		}
		for _, text := range blocks(page, "sh", "text", "console") {
			for _, m := range ofShell.FindAllStringSubmatch(text, -1) {
				lines = append(lines, m[1])
			}
		}
		for _, line := range lines {
			count++
			if why := unknown(line); why != "" {
				t.Errorf("%s: %s: %s", name, line, why)
			}
		}
	}
	t.Logf("%d command lines", count)
}

// unknown says what of a command line lvsd does not know.
func unknown(line string) string {
	line, _, _ = strings.Cut(line, " > ")
	line, _, _ = strings.Cut(line, "  ") // a comment beside it
	words := strings.Fields(strings.TrimSuffix(strings.NewReplacer("[", "", "]", "").Replace(line), " &"))
	root := cli.New(cli.Env{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }})
	command, rest, err := root.Find(words[1:])
	if err != nil {
		return err.Error()
	}
	if words[1] == "help" {
		return ""
	}
	if command.HasAvailableSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return "no such command"
	}
	for _, word := range rest {
		flag, _, _ := strings.Cut(word, "=")
		if strings.HasPrefix(flag, "-") && !has(command, flag) {
			return "no flag " + flag
		}
	}
	return ""
}

func has(c *cobra.Command, flag string) bool {
	c.InitDefaultHelpFlag()
	name, long := strings.CutPrefix(flag, "--")
	if long {
		return c.Flag(name) != nil
	}
	flags := c.Flags()
	flags.AddFlagSet(c.InheritedFlags())
	return flags.ShorthandLookup(strings.TrimPrefix(flag, "-")) != nil
}

var link = regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)

// Each link into the project leads to a file.
func TestLinks(t *testing.T) {
	for name, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(top, filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// README.md tells every command and every exit code that is not every command's.
func TestReadmeIsComplete(t *testing.T) {
	readme := pages(t)["README.md"]
	root := cli.New(cli.Env{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }})
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" && c.Name() != "exit-codes" && !strings.Contains(readme, c.Name()) {
			t.Errorf("README.md does not tell of %s", c.CommandPath())
		}
		for _, e := range cli.ExitCodes(c) {
			if !regexp.MustCompile(`(?m)^\| ` + string(rune('0'+e.Code)) + ` \|`).MatchString(readme) {
				t.Errorf("README.md does not tell of exit code %d of %s", e.Code, c.CommandPath())
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
