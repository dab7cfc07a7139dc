package notify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

func runProgram(t *testing.T, e notice.Event, timeout time.Duration, command ...string) error {
	t.Helper()
	s := settings{sender: program{config.Exec{Command: command}}, Receiver: config.Receiver{Timeout: timeout}}
	return s.attempt(t.Context(), notice.Message{Director: "lb1", Events: []notice.Event{e}, Lost: 2})
}

func TestProgram(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		event notice.Event
		want  string // arguments and environment
	}{
		{
			"role", notice.Event{Kind: notice.RoleChanged, Time: at, Director: "lb1", Instance: "front", From: "backup", To: "active", Priority: 100, Cause: "a\x00b"},
			"x;INSTANCE;front;MASTER;100\nLVSD_CAUSE=ab\nLVSD_DIRECTOR=lb1\nLVSD_FROM=backup\nLVSD_INSTANCE=front\nLVSD_KIND=role-changed\nLVSD_LOST=2\n" +
				"LVSD_PRIORITY=100\nLVSD_REMINDER=0\nLVSD_SINCE=\nLVSD_TEXT=vrrp front is now active: ab (was backup)\nLVSD_TIME=2026-03-01T12:00:00Z\nLVSD_TO=active\n",
		},
		{
			"server", notice.Event{Kind: notice.ServerDown, Time: at, Since: at.Add(-time.Hour), Director: "lb1", Virtual: "web", Real: "web1", Address: "10.0.0.1:80", From: "up", To: "down", Reminder: true},
			"x\nLVSD_ADDRESS=10.0.0.1:80\nLVSD_DIRECTOR=lb1\nLVSD_FROM=up\nLVSD_KIND=server-down\nLVSD_LOST=2\nLVSD_PRIORITY=0\nLVSD_REAL=web1\nLVSD_REMINDER=1\n" +
				"LVSD_SINCE=2026-03-01T11:00:00Z\nLVSD_TEXT=real server web/web1 (10.0.0.1:80) is still down (since 2026-03-01 12:00:00 UTC)\nLVSD_TIME=2026-03-01T12:00:00Z\nLVSD_TO=down\nLVSD_VIRTUAL=web\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			script := `IFS=';'; echo "$*" > ` + out + `; env | grep ^LVSD_ | grep -v '^LVSD_\(VIRTUAL\|REAL\|ADDRESS\|INSTANCE\|CAUSE\)=$' | LC_ALL=C sort >> ` + out
			if err := runProgram(t, tt.event, 10*time.Second, "/bin/sh", "-c", script, "name", "x"); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeepalivedStates(t *testing.T) {
	for to, want := range map[string]string{"active": "MASTER", "backup": "BACKUP", "standby": "BACKUP", "fault": "FAULT", "stop": "STOP"} {
		got := arguments(notice.Event{Kind: notice.RoleChanged, Instance: "i", To: to, Priority: 7})
		if diff := cmp.Diff([]string{"INSTANCE", "i", want, "7"}, got); diff != "" {
			t.Errorf("%s: %s", to, diff)
		}
	}
}

// The kernel takes a variable of 128 KiB at most. What is longer is cut, at a
// letter.
func TestLongCause(t *testing.T) {
	e := sampleEvents[0]
	e.Cause = strings.Repeat("ä", 100_000)
	if err := runProgram(t, e, 5*time.Second, "/bin/sh", "-c", `[ "${#LVSD_CAUSE}" -gt 1000 ]`); err != nil {
		t.Error(err)
	}
}

func TestProgramFails(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command []string
		want    string
	}{
		{"exit code", []string{"/bin/sh", "-c", "echo why; exit 3"}, `/bin/sh: exit code 3: "why"`},
		{"missing", []string{"/nowhere"}, "/nowhere: fork/exec /nowhere: no such file or directory"},
		{"hung", []string{"/bin/sh", "-c", "trap '' TERM; sleep 1000 & wait"}, "timed out after 300ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := runProgram(t, sampleEvents[0], 300*time.Millisecond, tt.command...)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	good := writeFile(t, "x", 0o600)
	list := []config.Receiver{
		{Name: "mail", Email: &config.Email{To: []string{"a@example.com"}, Password: "/nowhere/password"}},
		{Name: "hook", Webhook: &config.Webhook{Format: notice.JSONFormat, URL: "https://example.com", SecretFile: writeFile(t, "x", 0o644)}},
		{Name: "script", Exec: &config.Exec{Command: []string{"/nowhere/program"}}},
		{Name: "fine", Webhook: &config.Webhook{Format: notice.JSONFormat, URL: "https://example.com", SecretFile: good}},
	}
	err := Check(list)
	if err == nil {
		t.Fatal("nothing is found")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 {
		t.Fatalf("got %q", lines)
	}
	for i, want := range []string{"notify.mail: read /nowhere/password", "notify.hook: read ", "notify.script: "} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("got %s, want %s…", lines[i], want)
		}
	}
}
