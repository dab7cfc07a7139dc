package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/status"
)

func TestWhatIsAtTheSocketsPlace(t *testing.T) {
	for _, test := range []struct {
		name  string
		place func(t *testing.T, path string)
		want  string // "" where it is taken
	}{
		{"nothing", func(*testing.T, string) {}, ""},
		{"a socket left behind", leaveBehind, ""},
		{"a file", func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("precious"), 0o600)) },
			"something that is not a socket is in its place"},
		{"a directory", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o755)) },
			"something that is not a socket is in its place"},
		{"a link to a file", func(t *testing.T, path string) {
			must(t, os.WriteFile(path+".x", []byte("precious"), 0o600))
			must(t, os.Symlink(path+".x", path))
		}, "something that is not a socket is in its place"},
		{"a link to nothing", func(t *testing.T, path string) { must(t, os.Symlink("/nowhere/x", path)) },
			"something that is not a socket is in its place"},
		{"another director", func(t *testing.T, path string) { serve(t, path, named("other")) },
			"another process listens there"},
		{"no directory", func(t *testing.T, path string) { must(t, os.Remove(filepath.Dir(path))) },
			"no such file or directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := socket(t)
			test.place(t, path)
			s, err := Listen(path, Access{}, named("lb1"), slog.New(slog.DiscardHandler))
			if test.want != "" {
				if err == nil || err.Error() != "listen on "+path+": "+test.want && !strings.HasSuffix(err.Error(), ": "+test.want) {
					t.Errorf("got %v, want %s", err, test.want)
				}
				if strings.Count(fmt.Sprint(err), path) != 1 {
					t.Errorf("the path is not told once: %v", err)
				}
				return
			}
			must(t, err)
			defer s.listener.Close()
			info, err := os.Lstat(path)
			must(t, err)
			if info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
				t.Errorf("the socket has mode %s", info.Mode())
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The permissions of the socket are not all that keeps others out.
func TestAnotherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		// Without root there is no other user to be. What is left to test is that
		// the server takes its own user.
		path := socket(t)
		serve(t, path, named("lb1"))
		_, err := Dial(path).Status(t.Context())
		must(t, err)
		return
	}
	path := openSocket(t)
	serve(t, path, named("lb1"))
	ask := func(uid uint32) string { return askAs(t, path, syscall.Credential{Uid: uid, Gid: uid}) }
	prefix := " ask the director on " + path + ": "
	if got, want := ask(nobody), prefix[1:]+"permission denied: only root, the user that it runs as and director.group may"; got != want {
		t.Errorf("by the socket's mode: got %q, want %q", got, want)
	}
	must(t, os.Chmod(path, 0o666))
	if got, want := ask(nobody), prefix[1:]+"permission denied: only root and the user that it runs as may"; got != want {
		t.Errorf("by the kernel's word: got %q, want %q", got, want)
	}
	if got := ask(0); got != "lb1 <nil>" {
		t.Errorf("root: got %q", got)
	}
}

// A status is answered while a reload hangs, and while a thousand connections
// say nothing.
func TestStatusDoesNotWaitForOthers(t *testing.T) {
	path := socket(t)
	begun, release := make(chan struct{}), make(chan struct{})
	d := named("lb1")
	d.reload = func(context.Context) (Reloaded, error) {
		close(begun)
		<-release
		return Reloaded{}, nil
	}
	serve(t, path, d)
	ended := make(chan error, 1)
	go func() {
		_, err := Dial(path).Reload(t.Context())
		ended <- err
	}()
	<-begun
	for range 1000 {
		c, err := net.Dial("unix", path)
		must(t, err)
		defer c.Close()
	}
	_, err := Dial(path).Status(t.Context())
	must(t, err)
	close(release)
	must(t, <-ended)
}

// A request has no body; one that comes with a gigabyte costs no memory and gets
// an answer or is cut off.
func TestGreatBody(t *testing.T) {
	path := socket(t)
	serve(t, path, named("lb1"))
	c, err := net.Dial("unix", path)
	must(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", reloadPath, 1<<30)
	must(t, err)
	n, err := io.CopyN(c, zeros{}, 1<<30)
	if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) || n > 16<<20 {
		t.Errorf("the server took %d bytes: %v", n, err)
	}
	_, err = Dial(path).Status(t.Context())
	must(t, err)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestCallThatIsNone(t *testing.T) {
	path := socket(t)
	serve(t, path, named("lb1"))
	for request, want := range map[string]string{
		"GET " + reloadPath + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n": "HTTP/1.1 405 ",
		"GET /v1/other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":          "HTTP/1.1 404 ",
		"nonsense\r\n\r\n": "HTTP/1.1 400 ",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 64<<10) + "\r\n\r\n": "HTTP/1.1 431 ",
	} {
		c, err := net.Dial("unix", path)
		must(t, err)
		// A request that is too long may be answered before all of it is sent.
		_, _ = io.WriteString(c, request)
		answer := make([]byte, len(want))
		if _, err := io.ReadFull(c, answer); err != nil || string(answer) != want {
			t.Errorf("%.20q: got %q, %v; want %q", request, answer, err, want)
		}
		c.Close()
	}
}

// A client that dribbles its request, or takes no answer, is cut off in time.
func TestSlowClients(t *testing.T) {
	large := status.Status{Warnings: []string{strings.Repeat("x", 1<<20)}}
	for _, test := range []struct {
		name  string
		limit time.Duration
		deaf  bool
		be    func(net.Conn)
	}{
		{"says nothing", headerTime, false, func(net.Conn) {}},
		{"dribbles its header", headerTime, false, func(c net.Conn) { dribble(c, "GET "+statusPath+" HTTP/1.1\r\n") }},
		{"dribbles its body", readTime, false, func(c net.Conn) {
			dribble(c, "POST "+reloadPath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
		}},
		{"keeps its connection", idleTime, false, func(c net.Conn) {
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\n\r\n", reloadPath)
		}},
		{"takes no answer", writeTime, true, func(c net.Conn) {
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", statusPath)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := named("lb1")
				d.status = func(context.Context) (status.Status, error) { return large, nil }
				near, far := net.Pipe()
				listener := &single{conn: far, closed: make(chan struct{})}
				s := newServer(listener, Access{}, d, slog.New(slog.DiscardHandler))
				s.http.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
					return context.WithValue(ctx, peerKey{}, peer{})
				}
				begin := time.Now()
				cut := make(chan time.Duration, 1)
				s.http.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateClosed {
						cut <- time.Since(begin)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- s.Run(ctx) }()
				if !test.deaf {
					go io.Copy(io.Discard, near)
				}
				var client sync.WaitGroup
				client.Go(func() { test.be(near) })
				if took := <-cut; took < test.limit || took > test.limit+time.Second {
					t.Errorf("cut off after %s, want %s", took, test.limit)
				}
				near.Close()
				client.Wait()
				cancel()
				must(t, <-ended)
			})
		})
	}
}

// dribble writes a text and then a byte each second for ever.
func dribble(c net.Conn, text string) {
	_, err := io.WriteString(c, text)
	for err == nil {
		time.Sleep(time.Second)
		_, err = io.WriteString(c, "x")
	}
}

// single is a listener with one connection.
type single struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *single) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *single) Close() error {
	close(l.closed)
	return nil
}

func (l *single) Addr() net.Addr { return &net.UnixAddr{Name: "single", Net: "unix"} }

// The end of the context ends calls that hang, and Run with them.
func TestStopWhileACallHangs(t *testing.T) {
	path := socket(t)
	begun := make(chan struct{})
	d := named("lb1")
	d.reload = func(ctx context.Context) (Reloaded, error) {
		close(begun)
		<-ctx.Done()
		return Reloaded{}, fmt.Errorf("wait for the kernel: %w", ctx.Err())
	}
	stop := serve(t, path, d)
	ended := make(chan error, 1)
	go func() {
		_, err := Dial(path).Reload(context.Background())
		ended <- err
	}()
	<-begun
	stop()
	if err := <-ended; err == nil || !strings.HasSuffix(err.Error(), "wait for the kernel: context canceled") {
		t.Errorf("got %v", err)
	}
}

// A reload goes on when its client has gone away.
func TestReloadOutlivesItsClient(t *testing.T) {
	path := socket(t)
	begun, gone, outcome := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	d := named("lb1")
	d.reload = func(ctx context.Context) (Reloaded, error) {
		close(begun)
		<-gone
		outcome <- ctx.Err()
		return Reloaded{}, nil
	}
	serve(t, path, d)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := Dial(path).Reload(ctx)
		ended <- err
	}()
	<-begun
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	close(gone)
	must(t, <-outcome)
}
