package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/creack/pty"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/status"
)

// busyStatus has servers that every order sorts otherwise.
func busyStatus() status.Status {
	s := sample()
	web := webService()
	web.Servers = nil
	for i, r := range []struct {
		rate, bytes uint64
		active      uint32
		down        bool
	}{{10, 500, 1, false}, {30, 100, 2, false}, {20, 300, 9, true}} {
		one := server(fmt.Sprintf("web%d", i+1), fmt.Sprintf("10.0.0.%d:80", i+1), 1, 1)
		one.Rates, one.Active = status.Traffic{Connections: r.rate, BytesOut: r.bytes}, r.active
		one.Health = &status.Health{State: health.Up, Since: s.Time}
		if r.down {
			one.Health = &status.Health{State: health.Down, Since: s.Time, Error: "connection refused"}
		}
		web.Servers = append(web.Servers, one)
		web.Active += uint64(r.active)
		web.Rates.Connections += r.rate
	}
	s.Services = []status.Service{web}
	s.Verdict = status.Judge(s)
	return s
}

// press gives a model some messages and then keys.
func press(t *testing.T, m tea.Model, msgs ...tea.Msg) (topModel, tea.Cmd) {
	t.Helper()
	var cmd tea.Cmd
	for _, msg := range msgs {
		if key, ok := msg.(string); ok {
			msg = keyPress(key)
		}
		m, cmd = m.Update(msg)
	}
	return m.(topModel), cmd
}

func keyPress(key string) tea.KeyPressMsg {
	codes := map[string]rune{"up": tea.KeyUp, "down": tea.KeyDown, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome,
		"end": tea.KeyEnd, "esc": tea.KeyEscape, "space": tea.KeySpace}
	if code, ok := codes[key]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	return tea.KeyPressMsg{Code: rune(key[0]), Text: key}
}

func servers(m topModel) string {
	var names []string
	for _, line := range strings.Split(m.text(), "\n") {
		if strings.HasPrefix(line, "web/") {
			names = append(names, strings.TrimPrefix(strings.Fields(line)[0], "web/"))
		}
	}
	return strings.Join(names, " ")
}

func TestTopOrders(t *testing.T) {
	m := topModel{order: byRate}
	for _, test := range []struct{ key, want string }{
		{"", "web2 web3 web1"},
		{"c", "web3 web2 web1"},
		{"b", "web1 web3 web2"},
		{"e", "web3 web1 web2"},
		{"n", "web1 web2 web3"},
		{"r", "web2 web3 web1"},
		{"x", "web2 web3 web1"},
	} {
		msgs := []tea.Msg{tea.WindowSizeMsg{Width: 120, Height: 20}, topSeen{status: busyStatus()}}
		if test.key != "" {
			msgs = append(msgs, test.key)
		}
		got, _ := press(t, m, msgs...)
		if servers(got) != test.want {
			t.Errorf("key %q: got %s, want %s", test.key, servers(got), test.want)
		}
		m = got
	}
}

func TestUrgency(t *testing.T) {
	with := func(h *status.Health, change func(*status.Server)) topRow {
		s := server("web1", "10.0.0.1:80", 1, 1)
		s.Health = h
		if change != nil {
			change(&s)
		}
		return topRow{webService(), s}
	}
	drained := func(s *status.Server) { s.Override, s.Present = &override.Override{}, false }
	up := &status.Health{State: health.Up}
	worst := 5
	for _, row := range []topRow{
		with(&status.Health{State: health.Down}, nil),
		with(up, func(s *status.Server) { s.Present = false }),
		with(&status.Health{State: health.Up, Checks: []status.Check{{Last: status.Probe{Error: "no"}}}}, nil),
		with(&status.Health{State: health.Unknown}, nil),
		with(up, drained),
		with(nil, nil),
	} {
		if got := urgency(row); got != worst {
			t.Errorf("%+v: got %d, want %d", row.server, got, worst)
		}
		worst--
	}
}

// The window is always filled and never more than that.
func TestTopWindow(t *testing.T) {
	m, _ := press(t, topModel{order: byName}, tea.WindowSizeMsg{Width: 40, Height: 7}, topSeen{status: busyStatus()})
	for _, test := range []struct{ key, want string }{
		{"home", "web1 web2"}, {"down", "web2 web3"}, {"down", "web2 web3"}, {"up", "web1 web2"}, {"end", "web2 web3"}, {"pgup", "web1 web2"}, {"pgdown", "web2 web3"},
	} {
		m, _ = press(t, m, test.key)
		if got := servers(m); got != test.want {
			t.Errorf("after %s: got %s, want %s", test.key, got, test.want)
		}
		lines := strings.Split(m.text(), "\n")
		if len(lines) != 7 {
			t.Errorf("%d lines:\n%s", len(lines), m.text())
		}
		for _, line := range lines {
			if n := len([]rune(line)); n > 40 {
				t.Errorf("a line of %d: %s", n, line)
			}
		}
	}
	for _, size := range []tea.WindowSizeMsg{{}, {Width: 1, Height: 1}, {Width: 3, Height: 5}} {
		small, _ := press(t, m, size)
		_ = small.View()
	}
}

// A look is followed by a pause and the next one; an error leaves the last look; who
// pauses keeps what is there.
func TestTopLooks(t *testing.T) {
	asked := 0
	m := topModel{order: byRate, interval: time.Millisecond, ask: func() tea.Msg { asked++; return topSeen{status: busyStatus()} }}
	if got := m.Init()(); asked != 1 || got == nil {
		t.Errorf("asked %d times", asked)
	}
	m, cmd := press(t, m, tea.WindowSizeMsg{Width: 200, Height: 20}, topSeen{status: busyStatus()})
	if _, ok := cmd().(topTick); !ok {
		t.Error("no pause after a look")
	}
	if _, cmd = press(t, m, topTick{}); cmd() == nil || asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	m, _ = press(t, m, topSeen{err: errors.New("no director is running")})
	if text := m.text(); !strings.HasPrefix(text, "error: no director is running") || servers(m) == "" {
		t.Errorf("after an error:\n%s", text)
	}
	m, cmd = press(t, m, "space", topTick{})
	if _, ok := cmd().(topTick); !ok || asked != 2 || !strings.Contains(m.text(), "PAUSED") {
		t.Errorf("paused, asked %d times:\n%s", asked, m.text())
	}
	for _, key := range []string{"q", "esc"} {
		if _, cmd := press(t, m, key); cmd == nil {
			t.Errorf("%s does not quit", key)
		} else if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Errorf("%s does not quit", key)
		}
	}
}

// The whole command in a terminal.
func TestTopInATerminal(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "lvsd.sock")
	s, err := control.Listen(socket, control.Access{}, newAnswers("services"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Args = []string{"lvsd", "top", "--socket", socket, "--sort", "name", "--interval", "100ms"}
	c.Env = append(os.Environ(), "TERM=xterm-256color")
	terminal, err := pty.StartWithSize(c, &pty.Winsize{Rows: 24, Cols: 160})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	screen := &screen{}
	go screen.read(terminal)
	screen.until(t, "web/web1")
	screen.until(t, "[n name]")
	if _, err := terminal.WriteString("c"); err != nil {
		t.Fatal(err)
	}
	screen.until(t, "[c connections]")
	if _, err := terminal.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// screen collects what a program writes to its terminal.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) read(terminal *os.File) {
	buffer := make([]byte, 4096)
	for {
		n, err := terminal.Read(buffer)
		s.mu.Lock()
		s.text.Write(buffer[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) until(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		found := strings.Contains(s.text.String(), want)
		s.mu.Unlock()
		if found {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Fatalf("%q never came:\n%q", want, s.text.String())
}
