package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/lvsd/lvsd/pkg/changelog"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/status"
)

// asClient makes this test binary ask for the status over the socket that it
// names, and print what it hears: some tests need a client with another user.
const asClient = "LVSD_TEST_AS_CLIENT"

func TestMain(m *testing.M) {
	if path := os.Getenv(asClient); path != "" {
		s, err := Dial(path).Status(context.Background())
		fmt.Println(s.Director, err)
		return
	}
	goleak.VerifyTestMain(m)
}

// fake is a director that answers what it is told to.
type fake struct {
	status func(context.Context) (status.Status, error)
	reload func(context.Context) (Reloaded, error)
}

func (f fake) Status(ctx context.Context) (status.Status, error) { return f.status(ctx) }
func (f fake) Reload(ctx context.Context) (Reloaded, error)      { return f.reload(ctx) }

func (f fake) Failover(_ context.Context, instance string) error {
	return errors.New("hand over " + instance)
}

var aPush = status.Push{Connections: status.Connections{Connections: 3}}

func (f fake) PushConnections(context.Context) (status.Push, error) { return aPush, nil }

func (f fake) SetRole(_ context.Context, instance string, role lvs.Role) error {
	return errors.New(instance + " " + role.String())
}

// Probes tells of one check that is called like the server.
func (f fake) Probes(_ context.Context, virtual, server string) ([]status.Probes, error) {
	return []status.Probes{{Service: lvs.MarkKey(1, lvs.IPv4), Timing: virtual, Probes: []status.Probe{}, Check: status.Check{Name: server}}}, nil
}

func (f fake) Block(_ context.Context, network netip.Prefix, period time.Duration, by string) error {
	return fmt.Errorf("block %s for %s by %s", network, period, by)
}

func (f fake) Unblock(_ context.Context, network netip.Prefix) error {
	return fmt.Errorf("unblock %s", network)
}

func (f fake) GuardTop(context.Context) (status.GuardTop, error) {
	return status.GuardTop{Talkers: []status.GuardTalker{{SYNs: 3}}, Samples: []status.GuardSample{}}, nil
}

// GuardTest says the packet back.
func (f fake) GuardTest(_ context.Context, p status.GuardProbe) (status.GuardVerdict, error) {
	return status.GuardVerdict{Packet: fmt.Sprintf("%s %s %s", p.Protocol, p.Source, p.Target), Drops: true}, nil
}

// Health tells of one check.
func (f fake) Health(context.Context) (Health, error) {
	key := lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
	return Health{Roles: map[string]lvs.Role{"front": lvs.Active}, Snapshot: health.Snapshot{"k": {State: health.Down}}, Lost: map[lvs.ServiceKey]bool{key: true}}, nil
}

// TestNotify has the one receiver "ops".
func (f fake) TestNotify(_ context.Context, name string) ([]notify.Outcome, error) {
	if name != "" && name != "ops" {
		return nil, errors.New("no table [notify." + name + "]")
	}
	return []notify.Outcome{{Name: "ops", Error: "timed out", Took: 1.5}}, nil
}

// Override gives the order back as it came.
func (f fake) Override(_ context.Context, o Order) (Ordered, error) {
	if o.Target == override.Of("no", "body") {
		return Ordered{}, errors.New("no virtual service no")
	}
	text := fmt.Sprintf("%s %d %t %s %s", o.Target, o.Weight, o.Remove, o.Deadline, o.Reason)
	return Ordered{Changed: true, Override: override.Override{Target: o.Target, By: o.By}, Servers: []string{text}, Others: []override.Override{}, Errors: []string{}}, nil
}

func (f fake) Enable(_ context.Context, t override.Target, _ string) (Ordered, error) {
	return Ordered{Override: override.Override{Target: t}, Servers: []string{}, Others: []override.Override{}, Errors: []string{}}, nil
}

func (f fake) Drain(_ context.Context, t override.Target) (Drain, error) {
	return Drain{Override: override.Override{Target: t}, Empty: true, Servers: []DrainServer{}}, nil
}

// Changes has one after each number.
func (f fake) Changes(_ context.Context, after uint64, wait time.Duration) ([]changelog.Change, error) {
	return []changelog.Change{{Number: after + 1, Text: wait.String()}}, nil
}

// named is a director that has a name and nothing to do.
func named(name string) fake {
	return fake{
		status: func(context.Context) (status.Status, error) { return status.Status{Director: name}, nil },
		reload: func(context.Context) (Reloaded, error) {
			return Reloaded{Director: name, Operations: 3, Errors: []string{}}, nil
		},
	}
}

// serve runs a server on the socket until the test ends, or stop is called.
func serve(t *testing.T, path string, d Director) (stop func()) {
	t.Helper()
	s, err := Listen(path, Access{}, d, slog.New(slog.DiscardHandler))
	must(t, err)
	return run(t, s)
}

// run runs a server until the test ends, or stop is called.
func run(t *testing.T, s *Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	once := false
	stop = func() {
		cancel()
		if once {
			return
		}
		once = true
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func socket(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "lvsd.sock")
}

func TestRoundTrip(t *testing.T) {
	path := socket(t)
	want := status.Status{Director: "lb1", Version: "1", Warnings: []string{"hm"}, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
	d := named("lb1")
	d.status = func(context.Context) (status.Status, error) { return want, nil }
	stop := serve(t, path, d)
	got, err := Dial(path).Status(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("status: %v (-want +got):\n%s", err, diff)
	}
	reloaded, err := Dial(path).Reload(t.Context())
	if diff := cmp.Diff(Reloaded{Director: "lb1", Operations: 3, Errors: []string{}}, reloaded); diff != "" || err != nil {
		t.Errorf("reload: %v (-want +got):\n%s", err, diff)
	}
	probes, err := Dial(path).Probes(t.Context(), "a&b", "c/d")
	if err != nil || len(probes) != 1 || probes[0].Timing != "a&b" || probes[0].Check.Name != "c/d" {
		t.Errorf("probes: %+v, %v", probes, err)
	}
	h, err := Dial(path).Health(t.Context())
	wantHealth, _ := d.Health(t.Context())
	if diff := cmp.Diff(wantHealth, h, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" || err != nil {
		t.Errorf("health: %v (-want +got):\n%s", err, diff)
	}
	outcomes, err := Dial(path).TestNotify(t.Context(), "ops")
	if diff := cmp.Diff([]notify.Outcome{{Name: "ops", Error: "timed out", Took: 1.5}}, outcomes); diff != "" || err != nil {
		t.Errorf("test of a receiver: %v (-want +got):\n%s", err, diff)
	}
	if _, err := Dial(path).TestNotify(t.Context(), "o&p s"); err == nil || !strings.HasSuffix(err.Error(), "no table [notify.o&p s]") {
		t.Errorf("test of a receiver that is not there: %v", err)
	}
	stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there after the stop: %v", err)
	}
}

func TestErrorsOfTheDirector(t *testing.T) {
	path := socket(t)
	failing := errors.New("read virtual services: input/output error")
	serve(t, path, fake{
		status: func(context.Context) (status.Status, error) { return status.Status{}, failing },
		reload: func(context.Context) (Reloaded, error) {
			return Reloaded{}, Refused{errors.New("a.toml:1:2: one\na.toml:3:4: two")}
		},
	})
	_, err := Dial(path).Status(t.Context())
	if want := "ask the director on " + path + ": " + failing.Error(); err == nil || err.Error() != want {
		t.Errorf("status: got %v, want %s", err, want)
	}
	_, err = Dial(path).Reload(t.Context())
	want := "reload refused, the configuration before it stays in force:\n  a.toml:1:2: one\n  a.toml:3:4: two"
	if err == nil || err.Error() != want || !errors.As(err, new(Refused)) {
		t.Errorf("reload: got %v, want %s", err, want)
	}
}

// Every way in which nobody answers has its own text.
func TestNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, "stale")
	leaveBehind(t, stale)
	mute := answering(t, filepath.Join(dir, "mute"), func(net.Conn) {})
	other := answering(t, filepath.Join(dir, "other"), func(c net.Conn) { io.WriteString(c, "220 smtp ready\r\n") })
	elsewhere := answering(t, filepath.Join(dir, "elsewhere"), func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	})
	for _, test := range []struct {
		name, path, want string
		notRunning       bool
	}{
		{"missing", filepath.Join(dir, "missing"), "no director is running: there is no such socket", true},
		{"left behind", stale, "no director is running: nothing listens there", true},
		{"a file", file, "no director is running: that is not a socket", true},
		{"a directory", dir, "no director is running: that is not a socket", true},
		{"below a file", file + "/x", "not a directory", false},
		{"mute", mute, "it ended without an answer", false},
		{"another program", other, "is it another program's socket?", false},
		{"another web server", elsewhere, `unexpected answer "404 Not Found": is it of another version, or another program?`, false},
		{"too long", "/" + strings.Repeat("x", 107), "the path of a socket has at most 107 bytes", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Dial(test.path).Status(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), "ask the director on "+test.path+": ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if got := errors.Is(err, ErrNotRunning); got != test.notRunning {
				t.Errorf("is ErrNotRunning: %t", got)
			}
			if err != nil && strings.Count(err.Error(), test.path) > 1 {
				t.Errorf("the path is told twice: %v", err)
			}
		})
	}
}

// leaveBehind makes a socket that nobody listens on, as a killed director does.
func leaveBehind(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// answering listens on a socket, reads the beginning of a request, and lets
// answer say something before it ends the connection.
func answering(t *testing.T, path string, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			answer(c)
			c.Close()
		}
	}()
	return path
}

func TestRoles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	defer serve(t, path, fake{})()
	client := Dial(path)
	if err := client.Failover(t.Context(), "front"); err == nil || !strings.HasSuffix(err.Error(), "hand over front") {
		t.Errorf("failover: %v", err)
	}
	if err := client.SetRole(t.Context(), "front", lvs.Active); err == nil || !strings.HasSuffix(err.Error(), "front active") {
		t.Errorf("role: %v", err)
	}
	if err := client.SetRole(t.Context(), "front", lvs.Undecided); err == nil {
		t.Error("nobody can be told to be undecided")
	}
	if p, err := client.PushConnections(t.Context()); p != aPush || err != nil {
		t.Errorf("push: %+v, %v", p, err)
	}
}
