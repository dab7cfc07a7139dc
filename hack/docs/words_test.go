package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// words are the words in the first column of the table under a heading of
// docs/coming-from.md.
func words(t *testing.T, heading string) []string {
	t.Helper()
	_, section, found := strings.Cut(pages(t)["docs/coming-from.md"], "\n## "+heading+"\n")
	if !found {
		t.Fatalf("no heading %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var all []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*) \|`).FindAllStringSubmatch(section, -1) {
		for _, w := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			all = append(all, w[1])
		}
	}
	return all
}

// Every word of ldirectord's manual is in its table, and no other.
func TestLdirectordWords(t *testing.T) {
	source, err := os.ReadFile("/usr/sbin/ldirectord")
	must(t, err)
	ours := words(t, "ldirectord")
	theirs := matched(regexp.MustCompile(`(?m)^B<([a-z]+) ?= ?`), string(source))
	if len(theirs) < 40 {
		t.Fatalf("only %d words in ldirectord's manual", len(theirs))
	}
	for _, w := range theirs {
		if !slices.Contains(ours, w) {
			t.Errorf("the table has no %s", w)
		}
	}
	t.Logf("%d words", len(theirs))
}

// Every word of the sample configurations that keepalived brings is in its
// table: those are the ones that people have.
func TestKeepalivedWords(t *testing.T) {
	samples, err := filepath.Glob("/usr/share/doc/keepalived/samples/keepalived.conf.*")
	must(t, err)
	if len(samples) < 20 {
		t.Fatalf("only %d samples of keepalived", len(samples))
	}
	ours, count := words(t, "keepalived"), map[string]bool{}
	for _, path := range samples {
		text, err := os.ReadFile(path)
		must(t, err)
		for _, w := range matched(regexp.MustCompile(`(?m)^[ \t]*([a-zA-Z][a-zA-Z_]+)\b(?:[ \t]|$)`), comments.ReplaceAllString(string(text), "")) {
			if count[w] || slices.Contains(notWords, w) {
				continue
			}
			count[w] = true
			if !slices.Contains(ours, w) {
				t.Errorf("%s: the table has no %s", filepath.Base(path), w)
			}
		}
	}
	t.Logf("%d words", len(count))
}

var comments = regexp.MustCompile(`(?m)[!#].*$`)

// notWords are values that stand on lines of their own in the samples: parts of
// routes, names of scripts, a recipient.
var notWords = []string{
	"src", "from", "to", "blackhole", "kernel", "dev", "acassen",
	"chk_sshd", "chk_haproxy", "chk_http_port", "chk_https_port", "chk_smtp_port",
}

// matched gives the first group of all matches.
func matched(pattern *regexp.Regexp, text string) []string {
	var all []string
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}
