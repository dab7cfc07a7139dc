// Package labtest fits package lab to tests: whatever goes wrong fails the test at once, and nothing is ever skipped.
package labtest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
)

// New builds a topology and closes it at the end of the test.
func New(t testing.TB, topology lab.Topology) *lab.Lab {
	t.Helper()
	l, err := lab.New(topology)
	if err != nil {
		t.Fatal("build the lab:", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error("close the lab:", err)
		}
	})
	return l
}

// NoError fails the test if err is not nil. It keeps set-up code short: labtest.NoError(t, host.AddAddr(…)).
func NoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Must returns a value, or fails the test if there is an error with it: labtest.Must(host.Web(":80"))(t).
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		NoError(t, err)
		return v
	}
}

// Run runs a command on a host and returns its standard output.
func Run(t testing.TB, h *lab.Host, name string, args ...string) string {
	t.Helper()
	return Must(h.Run(t.Context(), name, args...))(t)
}

// Get requests a URL from a host and returns the body without the blanks around it.
func Get(t testing.TB, h *lab.Host, url string) string {
	t.Helper()
	return Must(h.Get(t.Context(), url))(t)
}

// Ask sends a line over a connection and returns the answer, also of up to a line, within five seconds. A datagram may be lost on a busy
// machine: without an answer it is sent again each second, as clients do.
func Ask(t testing.TB, c net.Conn, line string) string {
	t.Helper()
	tries, patience := 1, 5*time.Second
	if _, ok := c.(net.PacketConn); ok {
		tries, patience = 5, time.Second
	}
	b := make([]byte, 64<<10)
	var n int
	var err error
	for range tries {
		NoError(t, c.SetDeadline(time.Now().Add(patience)))
		_, err = c.Write([]byte(line + "\n"))
		NoError(t, err)
		if n, err = c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	NoError(t, err)
	return strings.TrimSuffix(string(b[:n]), "\n")
}

// URL is the address of a plain web server.
func URL(addr netip.Addr, port uint16) string {
	return "http://" + netip.AddrPortFrom(addr, port).String() + "/"
}
