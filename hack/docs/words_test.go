package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/importer"
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

// rows are the rows of the table under a heading: the words, and what is said of
// them.
func rows(t *testing.T, heading string) map[string]string {
	t.Helper()
	_, section, found := strings.Cut(pages(t)["docs/coming-from.md"], "\n## "+heading+"\n")
	if !found {
		t.Fatalf("no heading %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	all := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*) \| (.*) \|$`).FindAllStringSubmatch(section, -1) {
		for _, w := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			if _, ok := all[w[1]]; !ok {
				all[w[1]] = row[2]
			}
		}
	}
	return all
}

// What lvsd import carries over is in the tables, and what a table says there is
// nothing for is told and not carried over.
func TestImportedWords(t *testing.T) {
	for _, format := range []string{"ldirectord", "keepalived", "heartbeat"} {
		page, words := rows(t, format), importer.Words(format)
		if len(words) < 20 {
			t.Errorf("%s: only %d words", format, len(words))
		}
		for w, carried := range words {
			said, there := page[w]
			if carried && !there && !slices.Contains(spelled[format], w) {
				t.Errorf("%s: %s is carried over, and the table does not have it", format, w)
			}
			if carried && strings.HasPrefix(said, "nothing") && !slices.Contains(spelled[format], w) {
				t.Errorf("%s: %s is carried over, and the table says %q", format, w, said)
			}
		}
		for w := range page {
			if _, known := words[w]; !known && !slices.Contains(values[format], w) && !strings.Contains(w, " ") {
				t.Errorf("%s: lvsd import does not know %s of the table", format, w)
			}
		}
	}
}

// spelled are words that a table has in another form: those of IPv6 beside those of
// IPv4, older names, and the parts of a few whole things.
var spelled = map[string][]string{
	"ldirectord": {"virtual6", "real6", "fallback6", "schedflags"},
	"keepalived": {
		"smtp_alert_vrrp", "smtp_alert_checker", "vrrp_version", "vrrp_garp_master_refresh", "vrrp_track_process", "track_file", "vrrp_track_file", "process", "file",
		"sync_group_tracking_weight", "mcast_src_ip", "flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback", "ip_family",
		"sorry_server_lvs_method", "notify_up", "notify_down", "nb_get_retry", "regex", "regex_options", "payload", "require_reply", "type", "name",
		"script_user", "lvs_timeouts",
	},
	"heartbeat": {"node", "respawn"},
}

// values are words of a table that stand behind others in the file.
var values = map[string][]string{
	"ldirectord": {
		"gate", "masq", "ipip", "negotiate", "connect", "ping", "external", "external-perl", "off", "on", "http", "https", "dns", "smtp", "submission", "mysql", "pgsql",
		"ftp", "imap", "nntp", "pop", "imaps", "pops", "simpletcp", "sip", "radius", "http_proxy", "ldap", "ldaps", "oracle", "none",
	},
	"heartbeat": {"ipfail", "IPaddr", "IPaddr2", "LVSSyncDaemonSwap", "ldirectord", "SendArp", "MailTo", "authkeys", "hb_standby", "hb_takeover"},
}
