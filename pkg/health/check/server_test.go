package check

import (
	"context"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout is the deadline of the checks that must not reach it.
const testTimeout = 10 * time.Second

// shortTimeout is the deadline of the checks that must.
const shortTimeout = 200 * time.Millisecond

// serve runs a TCP server until the end of the test. The handler's connection
// closes when it returns, and at the end of the test.
func serve(t *testing.T, handle func(net.Conn)) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	done := make(chan struct{})
	t.Cleanup(func() {
		close(done)
		l.Close()
		conns.Wait()
	})
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handled := make(chan struct{})
			conns.Go(func() {
				defer close(handled)
				handle(conn)
			})
			conns.Go(func() {
				select {
				case <-done:
				case <-handled:
				}
				conn.Close()
			})
		}
	})
	return targetOf(l.Addr())
}

func targetOf(a net.Addr) Target {
	ap := netip.MustParseAddrPort(a.String())
	return Target{Address: ap.Addr(), Port: ap.Port()}
}

// closedPort is a target at which nobody listens.
func closedPort(t *testing.T) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return targetOf(l.Addr())
}

// hang reads what comes and never answers.
func hang(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// drip sends an answer that is right, but far too slowly.
func drip(answer string) func(net.Conn) {
	return func(c net.Conn) {
		for i := range len(answer) {
			if _, err := c.Write([]byte{answer[i]}); err != nil {
				return
			}
			time.Sleep(shortTimeout / 4)
		}
	}
}

// say sends an answer at once.
func say(answer string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Write([]byte(answer)); err != nil {
			return
		}
		hang(c)
	}
}

func mustNew(t *testing.T, s Spec) Check {
	t.Helper()
	c, err := New(s)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return c
}

func run(t *testing.T, s Spec, target Target, timeout time.Duration) Result {
	t.Helper()
	c := mustNew(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	r := c.Run(ctx, target)
	if r.Duration > timeout+time.Second {
		t.Errorf("took %s with a time-out of %s", r.Duration, timeout)
	}
	return r
}

// descriptors counts the open ones of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// wantUp expects success.
func wantUp(t *testing.T, s Spec, target Target) Result {
	t.Helper()
	r := run(t, s, target, testTimeout)
	if !r.OK {
		t.Errorf("got %q, want OK", r.Error)
	}
	return r
}

// wantDown expects a failure in these words, in which ADDR is the target.
func wantDown(t *testing.T, s Spec, target Target, words string) {
	t.Helper()
	wantError(t, run(t, s, target, testTimeout), target, words)
}

// wantTimeout expects the check to end at its deadline in these words.
func wantTimeout(t *testing.T, s Spec, target Target, words string) {
	t.Helper()
	began := time.Now() // the deadline counts from before the check's own clock
	r := run(t, s, target, shortTimeout)
	wantError(t, r, target, words)
	if took := time.Since(began); took < shortTimeout {
		t.Errorf("ended after %s, before the deadline of %s", took, shortTimeout)
	}
}

// dots are what a dripping server says first: how many of them arrive in time is
// the machine's business.
var dots = regexp.MustCompile(`\.{2,}`)

func wantError(t *testing.T, r Result, target Target, words string) {
	t.Helper()
	words = strings.ReplaceAll(words, "ADDR", target.String())
	if r.OK || dots.ReplaceAllString(r.Error, "...") != words {
		t.Errorf("got OK %v, error\n%s\nwant\n%s", r.OK, r.Error, words)
	}
}

// tcpFailures is what every kind over TCP makes of a closed port and of
// servers that are silent or slow.
func tcpFailures(t *testing.T, s Spec, answer, hung, dripped string) {
	t.Helper()
	t.Run("refused", func(t *testing.T) {
		wantDown(t, s, closedPort(t), "connect ADDR: connection refused")
	})
	t.Run("hung", func(t *testing.T) {
		wantTimeout(t, s, serve(t, hang), hung)
	})
	t.Run("dripping", func(t *testing.T) {
		wantTimeout(t, s, serve(t, drip(answer)), dripped)
	})
	t.Run("no descriptor left open", func(t *testing.T) {
		target := serve(t, say(answer))
		c := mustNew(t, s)
		before := descriptors(t)
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), shortTimeout/20)
			c.Run(ctx, target)
			cancel()
		}
		eventually(t, func() bool { return descriptors(t) <= before+2 })
	})
}

// eventually waits for something that another goroutine is about to do.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for range 100 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("did not happen in a second")
}

// file writes a file of the test's own.
func file(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}
