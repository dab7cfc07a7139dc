package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/status"
)

// patience is how long a test waits for what must happen soon. User-Mode Linux
// on a busy machine is slow; a test that passes does not wait so long.
const patience = 90 * time.Second

// director is lvsd on a host of the lab, with a folder of its own.
type director struct {
	t    *testing.T
	host *lab.Host
	dir  string
	cmd  *lab.Cmd
	log  *logBuffer
}

// newDirector writes a configuration for a director on the host. The table
// [director] is added to it.
func newDirector(t *testing.T, host *lab.Host, config string) *director {
	t.Helper()
	d := &director{t: t, host: host, dir: t.TempDir(), log: &logBuffer{}}
	d.write(config)
	return d
}

// start makes a director and starts it.
func start(t *testing.T, host *lab.Host, config string) *director {
	t.Helper()
	d := newDirector(t, host, config)
	d.start()
	return d
}

func (d *director) config() string { return filepath.Join(d.dir, "director.toml") }
func (d *director) socket() string { return filepath.Join(d.dir, "lvsd.sock") }

func (d *director) write(config string) {
	d.t.Helper()
	head := fmt.Sprintf("[director]\nname = %q\nresync = \"1s\"\nstate_dir = %q\ndata_dir = %q\n", d.host.Name, d.dir, d.dir)
	if i := strings.Index(config, "[director]\n"); i >= 0 {
		config = strings.Replace(config, "[director]\n", "", 1)
	} else {
		head += "\n"
	}
	labtest.NoError(d.t, os.WriteFile(d.config(), []byte(head+config), 0o600))
}

// command prepares a run of lvsd with the director's configuration.
func (d *director) command(args ...string) *lab.Cmd {
	c := d.host.Command(context.Background(), os.Args[0], append(args, "-c", d.config())...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

// start runs the daemon and waits until it says that it is ready.
func (d *director) start() {
	d.t.Helper()
	d.cmd = d.command("director")
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	if err := d.cmd.StartReady(ctx); err != nil {
		d.t.Fatalf("%v; its log:\n%s", err, d.log)
	}
	d.t.Cleanup(d.cmd.Kill)
}

// stop asks the daemon to end, and waits until it has.
func (d *director) stop() {
	d.t.Helper()
	labtest.NoError(d.t, d.cmd.Signal(syscall.SIGTERM))
	if err := d.cmd.Wait(); err != nil {
		d.t.Fatalf("stop the director: %v; its log:\n%s", err, d.log)
	}
}

func (d *director) client() *control.Client { return control.Dial(d.socket()) }

func (d *director) reload() control.Reloaded {
	d.t.Helper()
	done, err := d.client().Reload(d.t.Context())
	if err != nil {
		d.t.Fatalf("reload: %v", err)
	}
	return done
}

func (d *director) status() status.Status {
	d.t.Helper()
	return labtest.Must(d.client().Status(d.t.Context()))(d.t)
}

// plan gives what the director would change now, a line for each operation.
func (d *director) plan() []string {
	d.t.Helper()
	c := d.command("plan")
	var errors bytes.Buffer
	c.Stderr = &errors
	out, err := c.Output()
	lines := strings.FieldsFunc(out, func(r rune) bool { return r == '\n' })
	if code := c.ProcessState.ExitCode(); err != nil && code != 2 || (code == 2) != (len(lines) > 0) {
		d.t.Fatalf("plan: exit code %d with %d operations: %v\n%s", code, len(lines), err, errors.String())
	}
	if len(lines) == 0 {
		return nil
	}
	return lines
}

// settled holds that a second look finds nothing to do.
func (d *director) settled() {
	d.t.Helper()
	if ops := d.plan(); len(ops) > 0 {
		d.t.Errorf("a second plan is not empty:\n%s", strings.Join(ops, "\n"))
	}
}

// table is the kernel's IPVS table as ipvsadm reads it, sorted.
func (d *director) table() []string {
	d.t.Helper()
	out := labtest.Run(d.t, d.host, "ipvsadm", "-Sn")
	lines := strings.FieldsFunc(out, func(r rune) bool { return r == '\n' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	slices.Sort(lines)
	return lines
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %s: %s", patience, what)
}

// logBuffer collects a process's output while the test reads it.
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

// count is how many lines hold a text.
func (l *logBuffer) count(text string) int { return strings.Count(l.String(), text) }
