package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/changelog"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/status"
)

var update = flag.Bool("update", false, "write what is got to the golden files and scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lvsd": func() { os.Exit(run()) },
		// lvsd by a user without privileges, for scripts that may run as root.
		"unprivileged": func() {
			if os.Geteuid() == 0 {
				if err := errors.Join(unix.Setgid(nobody), unix.Setuid(nobody)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
			os.Exit(run())
		},
	})
}

const nobody = 65534

func run() int {
	return Run(context.Background(), Env{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Version: "1.2.3",
	})
}

// The scripts of testdata/script say what each command prints, where no kernel
// is needed for that.
func TestScripts(t *testing.T) {
	// Every user must be able to reach the scripts' folders.
	root, err := os.MkdirTemp("", "lvsd-script")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		WorkdirRoot:         root,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fifo":     fifo,
			"large":    large,
			"binary":   binary,
			"exit":     exitsWith,
			"lines":    lines,
			"stale":    stale,
			"director": director,
			"subst":    subst,
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
	})
}

// fifo makes a named pipe: fifo FILE.
func fifo(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(unix.Mkfifo(ts.MkAbs(args[0]), 0o644))
}

// large makes a file of 10 MB: large FILE.
func large(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte("# nothing\n"), 1<<20), 0o644))
}

// binary makes the beginning of a program: binary FILE.
func binary(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("\x7fELF\x02\x01\x01\x00\x00\xff"), 0o644))
}

// exitsWith runs a command and holds that it ends with this code: exit CODE
// COMMAND….
func exitsWith(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%s: exit code %d, want %s; standard error:\n%s", strings.Join(args[1:], " "), code, args[0], ts.ReadFile("stderr"))
	}
}

// lines holds how many lines a file has, stdout and stderr among them: lines FILE
// NUMBER.
func lines(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, "\n"); fmt.Sprint(n) != args[1] || n > 0 && !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s has %d lines, want %s:\n%s", args[0], n, args[1], text)
	}
}

// subst puts the values of variables into files: subst FILE….
func subst(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// stale leaves a socket that nobody listens on: stale FILE.
func stale(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: ts.MkAbs(args[0]), Net: "unix"})
	ts.Check(err)
	l.SetUnlinkOnClose(false)
	ts.Check(l.Close())
}

// director lets a director answer on a socket, until the script ends: director
// SOCKET [refuse|fail|busy|services].
func director(ts *testscript.TestScript, _ bool, args []string) {
	s, err := control.Listen(ts.MkAbs(args[0]), control.Access{}, newAnswers(strings.Join(args[1:], " ")), slog.New(slog.DiscardHandler))
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	ts.Defer(func() {
		cancel()
		<-ended
	})
}

// answers is what a director answers to a reload: "" is success.
type answers struct {
	answer string
	*spoken
}

func newAnswers(answer string) answers { return answers{answer, &spoken{busy: answer == "busy"}} }

// Status has services with "services" only.
func (a answers) Status(context.Context) (status.Status, error) {
	s := sample()
	if a.answer == "services" {
		s.Services = services()
	}
	if a.answer == "guard" {
		s.Guard = sampleGuard(s.Time)
	}
	return s, nil
}

func (answers) Failover(context.Context, string) error { return nil }
func (answers) PushConnections(context.Context) (status.Push, error) {
	return status.Push{Connections: status.Connections{Connections: 3, Templates: 1}}, nil
}
func (answers) SetRole(context.Context, string, lvs.Role) error { return nil }

func (a answers) Reload(context.Context) (control.Reloaded, error) {
	switch a.answer {
	case "refuse":
		return control.Reloaded{}, control.Refused{Err: errors.New("/etc/lvsd/director.toml:3:1: one\n/etc/lvsd/director.toml:7:12: two")}
	case "fail":
		return control.Reloaded{Director: "lb1", Operations: 1, Errors: []string{"add tcp 192.0.2.1:80: no such file or directory"}}, nil
	}
	return control.Reloaded{Director: "lb1", Operations: 3, Errors: []string{}}, nil
}

// Probes tells of web/web1 only.
func (answers) Probes(_ context.Context, virtual, server string) ([]status.Probes, error) {
	if virtual+"/"+server != "web/web1" {
		return nil, errors.New("the configuration has no server " + virtual + "/" + server + " with checks")
	}
	at := time.Date(2026, 3, 1, 2, 59, 0, 0, time.UTC)
	return []status.Probes{{
		Service: lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80")),
		Check:   status.Check{Name: "check", What: "http 10.0.0.1:80", State: health.Down, Since: at, Output: "one\ntwo\n"},
		Timing:  "every 5s/1s timeout 3s rise 2 fall 2",
		Probes: []status.Probe{
			{At: at, Seconds: 0.001234567, OK: true},
			{At: at.Add(time.Second), Seconds: 3, Error: "connect 10.0.0.1:80: no answer in time"},
		},
	}}, nil
}

func (answers) Block(_ context.Context, network netip.Prefix, period time.Duration, by string) error {
	return fmt.Errorf("block %s for %s by %s: no guard", network, period, by)
}

func (answers) Unblock(_ context.Context, network netip.Prefix) error {
	return fmt.Errorf("unblock %s: it is not blocked by command", network)
}

// GuardTop counts ten packets more each time that it is asked.
func (answers) GuardTop(context.Context) (status.GuardTop, error) {
	n := asked.Add(10)
	vip, at := netip.MustParseAddr("192.0.2.1"), time.Date(2026, 3, 1, 3, 0, int(n/10), 0, time.UTC)
	return status.GuardTop{
		Time: at,
		Talkers: []status.GuardTalker{
			{VIP: vip, Source: netip.MustParsePrefix("10.0.0.1/32"), Packets: n, Bytes: 100 * n, SYNs: n / 2},
			{VIP: vip, Source: netip.MustParsePrefix("10.0.0.2/32"), Packets: 7},
		},
		Samples: []status.GuardSample{{Time: at, Interface: "eth0", Reason: "block list", Packet: "tcp 10.0.0.3:7 to 192.0.2.1:80 SYN"}},
	}, nil
}

var asked atomic.Uint64

// GuardTest drops what comes to port 81.
func (answers) GuardTest(_ context.Context, p status.GuardProbe) (status.GuardVerdict, error) {
	v := status.GuardVerdict{Packet: fmt.Sprintf("%s %s to %s", p.Protocol, p.Source, p.Target), Rule: "no rule speaks against it"}
	if p.Target.Port() == 81 {
		v.Drops, v.Dropped, v.Rule = true, true, "no service of the VIP has the port"
	}
	return v, nil
}

// Changes has two, and a third one for who waits.
func (answers) Changes(_ context.Context, after uint64, wait time.Duration) ([]changelog.Change, error) {
	at := sample().Time
	all := []changelog.Change{
		{Number: 7, Time: at, Kind: changelog.Override, Subject: "web/web1", Text: "web/web1 is drained by root", Cause: "new disk"},
		{Number: 8, Time: at, Kind: changelog.Server, Subject: "web/web2", Text: "real server web/web2 (10.0.0.2:80) is down", Cause: "one\ntwo", Trouble: true},
		{Number: 9, Time: at, Kind: changelog.Director, Text: "director lb1 stops"},
	}
	if wait == 0 {
		all = all[:2]
	}
	if after == 9 {
		return nil, errors.New("the director stops")
	}
	for len(all) > 0 && all[0].Number <= after {
		all = all[1:]
	}
	return all, nil
}

func (answers) Health(context.Context) (control.Health, error) { return control.Health{}, nil }

// TestNotify has two receivers, of which one is out of reach.
func (a answers) TestNotify(_ context.Context, name string) ([]notify.Outcome, error) {
	all := []notify.Outcome{{Name: "chat", Took: 0.25}, {Name: "ops", Error: "timed out after 30s", Took: 30}}
	switch name {
	case "":
		return all, nil
	case "chat":
		return all[:1], nil
	}
	return nil, fmt.Errorf("the configuration has no table [notify.%s]", name)
}

func sample() status.Status {
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	return status.Status{
		Director: "lb1", Version: "1.2.3", Time: now,
		Daemon: &status.Daemon{PID: 42, Started: now.Add(-time.Hour), Loaded: now.Add(-time.Minute), Checked: now.Add(-time.Second), InStep: true},
	}
}

func sampleGuard(now time.Time) *status.Guard {
	return &status.Guard{
		Loaded: true, Enforce: true, Allow: 2, Block: 1000002,
		Interfaces: []status.GuardInterface{{Interface: "eth0", Mode: "driver"}, {Interface: "eth1"}},
		Commanded: []status.GuardBlock{
			{Prefix: netip.MustParsePrefix("198.51.100.0/24"), By: "root", Since: now.Add(-time.Minute), Until: now.Add(time.Hour)},
			{Prefix: netip.MustParsePrefix("2001:db8:bad::/48"), By: "root (anna)", Since: now.Add(-time.Hour)},
		},
		VIPs: []status.GuardVIP{
			{
				VIP: netip.MustParseAddr("192.0.2.1"), Passed: status.GuardCount{Packets: 1000, Bytes: 640000}, Dropped: status.GuardCount{Packets: 90, Bytes: 5400},
				Reasons: []status.GuardReason{{Reason: "block list", Drops: true, Dropped: 80}, {Reason: "allow list", Passed: 20}, {Reason: "no such port", Drops: true, Dropped: 10}},
			},
			{VIP: netip.MustParseAddr("2001:db8::1")},
		},
		Problems: []string{"read the list /etc/lvsd/block: no such file or directory"},
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "status", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
