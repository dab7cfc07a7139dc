package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/cli"
	"github.com/lvsd/lvsd/pkg/config"
)

var testEdition = edition{day: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), version: "1.2.3"}

// lvsd runs the command line and gives what it prints.
func lvsd(t *testing.T, args ...string) string {
	t.Helper()
	var out, err bytes.Buffer
	code := cli.Run(t.Context(), cli.Env{Args: args, Out: &out, Err: &err, Getenv: func(string) string { return "" }})
	if code != 0 {
		t.Fatalf("lvsd %s: exit code %d: %s", strings.Join(args, " "), code, &err)
	}
	return out.String()
}

// rendered is a page as a terminal of 1000 columns shows it.
func rendered(t *testing.T, page string) string {
	t.Helper()
	cmd := exec.Command("mandoc", "-T", "utf8", "-O", "width=1000")
	cmd.Stdin = strings.NewReader(page)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mandoc: %v\n%s", err, out)
	}
	return overstrike.ReplaceAllString(string(out), "")
}

var overstrike = regexp.MustCompile(".\b")

// told is what a user is told of a command: by its help, its page, or when
// completing it.
type told struct {
	Commands, Flags, ExitCodes []string
}

var (
	flagLine    = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z][a-z-]*)`)
	commandLine = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) +\S`)
	pageLine    = regexp.MustCompile(`(?m)^ +lvsd-([a-z-]+)\(8\)`)
	exitLine    = regexp.MustCompile(`(?m)^ +(\d+) +(.*)$`)
)

// matches gives the text of a pattern's groups in a text, sorted.
func matches(pattern *regexp.Regexp, text string) []string {
	var all []string
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.Join(m[1:], " "))
	}
	slices.Sort(all)
	return all
}

// between is the part of a text from a heading to the next.
func between(text, heading, next string) string {
	_, text, _ = strings.Cut(text, "\n"+heading+"\n")
	text, _, _ = strings.Cut(text, "\n"+next)
	return "\n" + text
}

func ofHelp(t *testing.T, path []string) told {
	help := lvsd(t, append(path, "--help")...)
	commands := matches(commandLine, between(help, "Available Commands:", "\n"))
	return told{
		Commands:  slices.DeleteFunc(commands, func(name string) bool { return name == "help" }),
		Flags:     matches(flagLine, help),
		ExitCodes: matches(exitLine, between(help, "Exit codes:", "\n")),
	}
}

func ofPage(t *testing.T, path []string, page string) told {
	text := rendered(t, page)
	commands := matches(pageLine, between(text, "COMMANDS", "OPTIONS"))
	for i := range commands {
		commands[i] = strings.TrimPrefix(commands[i], strings.Join(append(path, ""), "-"))
	}
	return told{
		Commands:  commands,
		Flags:     matches(flagLine, between(text, "OPTIONS", "EXIT")),
		ExitCodes: matches(exitLine, between(text, "EXIT STATUS", "SEE")),
	}
}

// ofCompletion asks as the shells' scripts do. The exit codes are those that
// `lvsd exit-codes` tells.
func ofCompletion(t *testing.T, path []string) told {
	ask := func(begun string) string {
		return lvsd(t, slices.Concat([]string{"__complete"}, path, []string{begun})...)
	}
	flags := matches(regexp.MustCompile(`(?m)^--([a-z-]+)`), ask("--"))
	words := matches(regexp.MustCompile(`(?m)^([a-z][a-z-]*)\t`), ask(""))
	codes := lvsd(t, "exit-codes")
	own := "Exit codes of " + strings.Join(append([]string{"lvsd"}, path...), " ") + ":"
	if !strings.Contains(codes, "\n"+own+"\n") {
		own = "Exit codes of lvsd:"
	}
	return told{
		Commands:  slices.DeleteFunc(words, func(name string) bool { return name == "help" }),
		Flags:     slices.Compact(flags),
		ExitCodes: matches(exitLine, between("\n"+codes, own, "\n")),
	}
}

// For each command, help, manual and completion tell of the same commands, flags
// and exit codes.
func TestEverywhereTheSame(t *testing.T) {
	all := pages(testEdition)
	root := cli.New(cli.Env{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv})
	flags, codes := 0, 0
	for _, c := range commands(root) {
		path := strings.Fields(c.CommandPath())[1:]
		help := ofHelp(t, path)
		flags, codes = flags+len(help.Flags), codes+len(help.ExitCodes)
		if len(help.Flags) == 0 || len(help.ExitCodes) < 2 {
			t.Errorf("%s: its help has %d flags and %d exit codes", c.CommandPath(), len(help.Flags), len(help.ExitCodes))
		}
		page, ok := all[pageName(c)+".8"]
		if !ok {
			t.Errorf("%s has no page", c.CommandPath())
			continue
		}
		if diff := cmp.Diff(help, ofPage(t, path, page)); diff != "" {
			t.Errorf("%s (-help +manual):\n%s", c.CommandPath(), diff)
		}
		completion := ofCompletion(t, path)
		if !c.HasAvailableSubCommands() {
			completion.Commands = nil // arguments
		}
		if diff := cmp.Diff(help, completion); diff != "" {
			t.Errorf("%s (-help +completion):\n%s", c.CommandPath(), diff)
		}
	}
	t.Logf("%d commands, %d flags, %d exit codes", len(commands(root)), flags, codes)
}

// The sentences of a page are those of the help, word by word.
func TestPageSaysWhatHelpSays(t *testing.T) {
	for _, c := range commands(cli.New(cli.Env{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv})) {
		text := strings.Join(strings.Fields(rendered(t, commandPage(testEdition, c))), " ")
		if long := strings.Join(strings.Fields(c.Long), " "); !strings.Contains(text, long) {
			t.Errorf("%s: the page does not say\n%s\nbut\n%s", c.CommandPath(), long, text)
		}
	}
}

// mandoc(1) finds nothing to complain of, and each page is there that another
// one names.
func TestPagesAreClean(t *testing.T) {
	dir := t.TempDir()
	must(t, write(dir, "2026-01-31", "1.2.3"))
	reference := regexp.MustCompile(`(?m)^\.(?:It )?Xr (\S+) (\d)`)
	all := pages(testEdition)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out, _ := exec.Command("mandoc", "-T", "lint", "-W", "warning", filepath.Join(dir, name)).CombinedOutput()
		if len(out) > 0 {
			t.Errorf("%s", out)
		}
		for _, m := range reference.FindAllStringSubmatch(all[name], -1) {
			if _, ok := all[m[1]+"."+m[2]]; !ok {
				t.Errorf("%s names %s(%s), which is not there", name, m[1], m[2])
			}
		}
	}
	t.Logf("%d pages", len(all))
}

// The pages of files hold every word of the files, and each of their keys and
// tables as it is there.
func TestFilePages(t *testing.T) {
	for name, text := range map[string]string{"director.toml": config.Reference(), "realserver.toml": config.RealServerReference()} {
		page := rendered(t, filePage(testEdition, name, "configuration", text))
		words := map[string]int{}
		for _, w := range strings.Fields(page) {
			words[w]++
		}
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			switch {
			case rule.MatchString(line):
				continue
			case key.MatchString(line), table.MatchString(line):
				if !regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(line) + `( |$)`).MatchString(page) {
					t.Errorf("%s: the page has no line %s", name, line)
				}
			}
			for _, w := range strings.Fields(strings.TrimPrefix(line, "#")) {
				if words[w]--; words[w] < 0 {
					t.Errorf("%s: the page has lost a %q of the line %s", name, w, line)
				}
			}
		}
	}
}

// The scripts are understood by their shells, and two of them complete what they
// should.
func TestShells(t *testing.T) {
	dir := t.TempDir()
	must(t, exec.Command("go", "build", "-o", filepath.Join(dir, "lvsd"), "../../cmd/lvsd").Run())
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := filepath.Join(dir, shell)
		must(t, os.WriteFile(script, []byte(lvsd(t, "completion", shell)), 0o644))
		if out, err := exec.Command(shell, "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s does not understand its script: %v\n%s", shell, err, out)
		}
	}
	for _, test := range []struct{ shell, command string }{
		{"fish", `source %[1]s/fish; complete -C 'lvsd realserver s'`},
		{"bash", `. /usr/share/bash-completion/bash_completion; . %[1]s/bash
COMP_WORDS=(lvsd realserver s) COMP_CWORD=2 COMP_LINE='lvsd realserver s' COMP_POINT=17
__start_lvsd; printf '%%s\n' "${COMPREPLY[@]}"`},
	} {
		cmd := exec.Command(test.shell, "-c", fmt.Sprintf(test.command, dir))
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
		out, err := cmd.CombinedOutput()
		got := matches(regexp.MustCompile(`(?m)^(\w+)`), string(out))
		if diff := cmp.Diff([]string{"setup", "status"}, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s\n%s", test.shell, err, diff, out)
		}
	}
}

func TestBlocks(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       string
	}{
		{"one sentence a line", "One. Two\nthree.", "One.\nTwo three.\n"},
		{"paragraphs", "One.\n\nTwo.", "One.\n.Pp\nTwo.\n"},
		{"literal", "So:\n\n  a  b\n\n  c\n\nEnd.", "So:\n.Bd -literal -offset indent\na  b\n\nc\n.Ed\n.Pp\nEnd.\n"},
		{"roff's own", ".Sh a\\b-c 'd' ~^`", "\\&.Sh a\\eb\\-c \\(aqd\\(aq \\(ti\\(ha\\(ga\n"},
		{"literal roff", "  .Ed\n  'x", ".Bd -literal -offset indent\n\\&.Ed\n\\(aqx\n.Ed\n"},
	} {
		var p page
		p.prose(test.text)
		if diff := cmp.Diff(test.want, p.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestCommandsLeavesHiddenOnesOut(t *testing.T) {
	root := &cobra.Command{Use: "a"}
	root.AddCommand(&cobra.Command{Use: "b", Run: func(*cobra.Command, []string) {}},
		&cobra.Command{Use: "c", Hidden: true, Run: func(*cobra.Command, []string) {}})
	var got []string
	for _, c := range commands(root) {
		got = append(got, pageName(c))
	}
	if diff := cmp.Diff([]string{"a", "a-b"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
