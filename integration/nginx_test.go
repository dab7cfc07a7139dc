package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// localNginx is Debian's nginx on a host of the lab, in the background as a
// distribution starts it, under a name that no other host's process has.
type localNginx struct {
	t    *testing.T
	host *lab.Host
	dir  string
}

// newNginx starts one that answers with its host's name on port 80.
func newNginx(t *testing.T, host *lab.Host) *localNginx {
	t.Helper()
	n := &localNginx{t: t, host: host, dir: t.TempDir()}
	program := "/usr/sbin/nginx"
	labtest.NoError(t, os.Symlink(program, n.program()))
	n.mend()
	n.start()
	t.Cleanup(func() {
		if _, running := n.pid(); running {
			n.stop()
		}
	})
	return n
}

func (n *localNginx) name() string    { return "nginx-" + n.host.Name }
func (n *localNginx) program() string { return filepath.Join(n.dir, n.name()) }
func (n *localNginx) config() string  { return filepath.Join(n.dir, "nginx.conf") }

// command is what starts it, as a list in TOML.
func (n *localNginx) command() string {
	return fmt.Sprintf("[%q, \"-c\", %q, \"-e\", %q]", n.program(), n.config(), filepath.Join(n.dir, "error"))
}

func (n *localNginx) start() {
	n.t.Helper()
	labtest.Run(n.t, n.host, n.program(), "-c", n.config(), "-e", filepath.Join(n.dir, "error"))
}

// stop ends it, and waits until no process of it is left.
func (n *localNginx) stop() {
	n.t.Helper()
	pid, running := n.pid()
	if !running {
		n.t.Fatalf("%s does not run", n.name())
	}
	labtest.NoError(n.t, syscall.Kill(pid, syscall.SIGTERM))
	eventually(n.t, n.name()+" has ended", func() bool { return syscall.Kill(pid, 0) != nil })
}

func (n *localNginx) pid() (int, bool) {
	text, err := os.ReadFile(filepath.Join(n.dir, "pid"))
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid, err == nil
}

// damage makes a configuration with which it cannot start; mend makes a good one.
func (n *localNginx) damage() { n.write("bad {") }

func (n *localNginx) mend() {
	n.write(strings.NewReplacer("DIR", n.dir, "HOST", n.host.Name).Replace(`
pid DIR/pid;
worker_processes 1;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	server {
		listen 80;
		return 200 "HOST\n";
	}
}
`))
}

func (n *localNginx) write(config string) {
	labtest.NoError(n.t, os.WriteFile(n.config(), []byte(config), 0o600))
}
