package check

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/process"
)

func sh(script string, args ...string) []string {
	return append([]string{"/bin/sh", "-c", script, "check"}, args...)
}

var execTarget = Target{
	Address: netip.MustParseAddr("10.0.0.2"),
	Port:    80,
	Names:   Names{Service: "web", Server: "web1", VIP: netip.MustParseAddrPort("192.0.2.1:8080")},
}

func TestExec(t *testing.T) {
	weight := func(n int32) *int32 { return &n }
	for _, tt := range []struct {
		name   string
		spec   Exec
		want   string // error, "" is up
		weight *int32
		output string
	}{
		{"up", Exec{Command: sh("echo fine; exit 0")}, "", nil, "fine\n"},
		{"warning", Exec{Command: sh("echo slow; exit 1")}, `/bin/sh: exit code 1: "slow"`, nil, "slow\n"},
		{"warning is up", Exec{Command: sh("exit 1"), WarningOK: true}, "", nil, ""},
		{"critical", Exec{Command: sh("echo dead >&2; exit 2"), WarningOK: true}, `/bin/sh: exit code 2: "dead"`, nil, "dead\n"},
		{"signal", Exec{Command: sh("kill -SEGV $$")}, "/bin/sh: killed by signal 11 (segmentation fault)", nil, ""},
		{"weight unchanged", Exec{Command: sh("exit 0"), DynamicWeight: true}, "", nil, ""},
		{"no weight at 1", Exec{Command: sh("exit 1"), DynamicWeight: true}, "/bin/sh: exit code 1", nil, ""},
		{"weight 0", Exec{Command: sh("exit 2"), DynamicWeight: true}, "", weight(0), ""},
		{"weight 253", Exec{Command: sh("exit 255"), DynamicWeight: true}, "", weight(253), ""},
		{"no such program", Exec{Command: []string{"/nowhere"}}, "/nowhere: no such file or directory", nil, ""},
		{"no such user", Exec{Command: sh("exit 0"), User: "nobody-at-all"}, `/bin/sh: user "nobody-at-all": not found`, nil, ""},
		{
			"environment",
			Exec{Command: sh(`echo "$LVSD_SERVICE $LVSD_SERVER $LVSD_ADDRESS $LVSD_PORT $LVSD_VIP $LVSD_VIP_PORT $HOME"; pwd`)},
			"", nil, "web web1 10.0.0.2 80 192.0.2.1 8080 \n/\n",
		},
		{
			"arguments",
			Exec{Command: sh(`echo "$@"`, "{vip}", "{vip_port}", "{address}", "{port}", "{service}/{server}", "{print}")},
			"", nil, "192.0.2.1 8080 10.0.0.2 80 web/web1 {print}\n",
		},
		{"no shell", Exec{Command: []string{"/bin/echo", "$HOME; exit 1"}}, "", nil, "$HOME; exit 1\n"},
		{"much output", Exec{Command: sh("head -c 100000 /dev/zero | tr '\\0' x")}, "", nil, strings.Repeat("x", process.MaxOutput)},
		{"binary output", Exec{Command: sh(`printf 'a\377b'`)}, "", nil, "a\uFFFDb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, &tt.spec, execTarget, testTimeout)
			got.Duration = 0
			want := Result{OK: tt.want == "", Error: tt.want, Weight: tt.weight, Output: tt.output}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A program that asks nobody in particular, as those that VRRP tracks, gets no
// words in place of an address.
func TestExecWithoutTarget(t *testing.T) {
	r := wantUp(t, &Exec{Command: sh(`echo "<$LVSD_ADDRESS> <$LVSD_PORT> <$1>"`, "{address}")}, Target{})
	if r.Output != "<> <> <>\n" {
		t.Errorf("got %q", r.Output)
	}
}

func TestExecDeadline(t *testing.T) {
	for _, tt := range []struct{ name, script string }{
		{"hung", "echo $$; exec sleep 1000"},
		{"hung with children", "sleep 1000 & echo $!; wait"},
		{"ignores signals", "trap '' TERM INT; echo $$; while :; do sleep 1000; done"},
		{"dripping", "echo $$; while :; do echo .; sleep 0.05; done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, &Exec{Command: sh(tt.script)}, execTarget, shortTimeout)
			if r.OK || !strings.HasPrefix(r.Error, "/bin/sh: timed out") {
				t.Errorf("got %+v", r)
			}
			wantGone(t, r.Output)
		})
	}
	t.Run("child left behind", func(t *testing.T) {
		r := run(t, &Exec{Command: sh("sleep 1000 & echo $!")}, execTarget, testTimeout)
		if !r.OK {
			t.Errorf("got %+v", r)
		}
		wantGone(t, r.Output)
	})
}

// wantGone expects that the process in the first line of the output is killed.
func wantGone(t *testing.T, output string) {
	t.Helper()
	line, _, _ := strings.Cut(output, "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("output %q: %v", output, err)
	}
	eventually(t, func() bool {
		status, err := os.ReadFile("/proc/" + line + "/status")
		return err != nil || strings.Contains(string(status), "State:\tZ")
	})
	if t.Failed() {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestExecUser(t *testing.T) {
	self := strconv.Itoa(os.Getuid())
	r := wantUp(t, &Exec{Command: sh("id -u"), User: self}, execTarget)
	if r.Output != self+"\n" {
		t.Errorf("got %q, want %s", r.Output, self)
	}
}

func TestExecPreflight(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec Exec
		want string
	}{
		{"fine", Exec{Command: sh("exit 0")}, ""},
		{"no program", Exec{Command: []string{"/nowhere"}}, `exec: "/nowhere": stat /nowhere: no such file or directory`},
		{"no program of that mode", Exec{Command: []string{file(t, "", 0o600)}}, "permission denied"},
		{"no user", Exec{Command: sh("exit 0"), User: "nobody-at-all"}, `user "nobody-at-all": not found`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := mustNew(t, &tt.spec).Preflight()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
