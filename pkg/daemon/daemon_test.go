package daemon

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/firewall/firewalltest"
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev/netdevtest"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
	"github.com/lvsd/lvsd/pkg/sysctl/sysctltest"
	"github.com/lvsd/lvsd/pkg/xdp/xdptest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(asHolder); dir != "" {
		hold(dir)
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "validate" { // the program that an upgrade would start
		if os.Getenv(asBroken) != "" {
			fmt.Fprintln(os.Stderr, "this program is broken")
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// asBroken makes this program refuse every configuration.
const asBroken = "LVSD_TEST_AS_BROKEN"

// patience is how long a test waits for what must happen soon.
const patience = 20 * time.Second

// running is a director whose kernel is in memory; all else is real.
type running struct {
	t       *testing.T
	dir     string
	table   *ipvstest.Kernel
	fail    atomic.Bool // the table refuses every change
	modules *fakeModules
	guard   *xdptest.Fake
	notices chan string
	log     *logBuffer
	d       *Director
	ended   chan error
	// upgrades carries the signal that asks for one.
	upgrades chan os.Signal
}

// web is a configuration with one service and these real servers.
func web(head string, servers ...string) string {
	text := head + "[virtual.web]\nvip = \"192.0.2.1:80\"\nscheduler = \"rr\"\n"
	for _, s := range servers {
		text += "real." + s + " = \"10.0.0." + strings.TrimPrefix(s, "rs") + "\"\n"
	}
	return text
}

// start runs a director with this configuration until the test ends, and waits
// until it says that it is ready. %DIR% in the text stands for its folder, with
// which before is called.
func start(t *testing.T, text string, before ...func(dir string)) *running {
	t.Helper()
	r := &running{
		t: t, dir: t.TempDir(), table: ipvstest.New(), modules: &fakeModules{}, log: &logBuffer{}, ended: make(chan error, 1),
		upgrades: make(chan os.Signal, 1),
	}
	r.table.Fail = func(lvs.Change) error {
		if r.fail.Load() {
			return unix.EIO
		}
		return nil
	}
	r.listen()
	r.write(text)
	for _, f := range before {
		f(r.dir)
	}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	files := newWatch(r.path(), log)
	t.Cleanup(files.close)
	c, err := load(t.Context(), r.path())
	must(t, err)
	sysctls, err := sysctltest.New(map[string]string{"net.ipv4.vs.conn_reuse_mode": "1"})
	must(t, err)
	devices := netdevtest.New("eth0")
	ledger, err := openLedger(c)
	must(t, err)
	words, err := openOverrides(c)
	must(t, err)
	r.guard = xdptest.NewFake()
	g, err := newGuarding(c, r.guard, log)
	must(t, err)
	v, j := view{r.table, devices}, newJudge(log, words, g)
	a, err := newAim(c, v.source)
	must(t, err)
	r.d = newDirector(Options{Config: r.path(), Version: "test", Log: log}, a, v, j,
		reconcile.New(reconcile.Kernel{
			Table: r.table, Devices: devices, Firewall: fakeRules{firewalltest.New()}, Detours: devices, Sysctls: sysctls, Modules: r.modules, Guard: r.guard,
		}, ledger, log, a.goal(j)))
	r.d.upgrades = r.upgrades
	server, err := control.Listen(r.socket(), control.Access{}, r.d, log)
	must(t, err)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.ended <- r.d.run(ctx, server, hangups, files) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.ended; err != nil {
			t.Errorf("the director ended with %v", err)
		}
	})
	for r.next("READY=1") != "READY=1" {
	}
	return r
}

func (r *running) path() string   { return filepath.Join(r.dir, "director.toml") }
func (r *running) socket() string { return socketIn(r.dir) }

func (r *running) write(text string) {
	r.t.Helper()
	if !strings.Contains(text, "state_dir") {
		text = "director.state_dir = \"%DIR%\"\ndirector.data_dir = \"%DIR%\"\ndirector.name = \"lb1\"\n" + text
	}
	must(r.t, os.WriteFile(r.path(), []byte(strings.ReplaceAll(text, "%DIR%", r.dir)), 0o600))
}

// listen listens for sd_notify(3).
func (r *running) listen() {
	r.t.Helper()
	conn := notifySocket(r.t, filepath.Join(r.dir, "notify"))
	r.notices = make(chan string, 1000)
	go func() {
		buffer := make([]byte, 512)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			r.notices <- string(buffer[:n])
		}
	}()
}

func notifySocket(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

// hears waits for the next notice and holds that it begins as wanted.
func (r *running) hears(want string) string {
	r.t.Helper()
	got := r.next(want)
	if !strings.HasPrefix(got, want) {
		r.t.Fatalf("the director says %q, want %q; its log:\n%s", got, want, r.log)
	}
	return got
}

// next waits for the next notice.
func (r *running) next(want string) string {
	r.t.Helper()
	select {
	case got := <-r.notices:
		return got
	case <-time.After(patience):
		r.t.Fatalf("the director does not say %q; its log:\n%s", want, r.log)
	}
	return ""
}

func (r *running) reload() error {
	_, err := control.Dial(r.socket()).Reload(r.t.Context())
	return err
}

func (r *running) status() status.Status {
	r.t.Helper()
	s, err := control.Dial(r.socket()).Status(r.t.Context())
	must(r.t, err)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %s: %s", patience, what)
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) count(text string) int { return strings.Count(l.String(), text) }

// fakeRules reads a firewall in memory as package daemon reads the real one.
type fakeRules struct{ *firewalltest.Fake }

func (f fakeRules) Rules(want map[lvs.Rule]int) (map[lvs.Rule]int, error) {
	return f.Fake.Rules(firewall.Tables(want))
}

// fakeModules is a kernel that has every module, but for those that hang.
type fakeModules struct {
	mu      sync.Mutex
	hangs   map[string]chan struct{}
	loading string // the module whose loading began last
}

// hang makes the loading of a module hang until the channel is closed.
func (f *fakeModules) hang(name string, until chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangs = map[string]chan struct{}{name: until}
}

func (f *fakeModules) Has(name string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hangs[name] == nil, nil
}

func (f *fakeModules) Load(_ context.Context, name string) error {
	f.mu.Lock()
	hang := f.hangs[name]
	f.loading = name
	f.mu.Unlock()
	<-hang
	return nil
}

func (f *fakeModules) loads(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loading == name
}

// Each signal that a director knows, sent to the process.
func TestSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			r := start(t, web("", "rs1"))
			must(t, syscall.Kill(os.Getpid(), signal))
			r.hears("STOPPING=1")
			err := <-r.ended
			r.ended <- err
			if err != nil || r.log.count("director stops, forwarding stays in place") != 1 {
				t.Errorf("ended with %v; its log:\n%s", err, r.log)
			}
			if !strings.Contains(r.table.String(), "10.0.0.1:80") {
				t.Errorf("the stop took something away:\n%s", r.table)
			}
		})
	}
}

// A director that is still reading its configuration, which may take as long as
// the name service takes, must not die of a SIGHUP.
func TestHangupWhileStarting(t *testing.T) {
	asked := make(chan struct{})
	hangingNames(t, asked)
	path := filepath.Join(t.TempDir(), "director.toml")
	must(t, os.WriteFile(path, []byte("[virtual.web]\nvip = \"192.0.2.1:80\"\nreal.a = \"name.invalid\"\n"), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, Options{Config: path, Log: slog.New(slog.DiscardHandler)}) }()
	<-asked
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "name.invalid") {
		t.Errorf("got %v", err)
	}
}

// hangingNames makes the name service hang until the asker gives up. The channel
// is closed at the first question.
func hangingNames(t *testing.T, asked chan struct{}) {
	old := resolver
	t.Cleanup(func() { resolver = old })
	var once sync.Once
	resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		once.Do(func() { close(asked) })
		<-ctx.Done()
		return nil, ctx.Err()
	}}
}
