package check

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echoLine answers one line with itself.
func echoLine(c net.Conn) {
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil {
		io.WriteString(c, "you said "+line)
	}
}

func TestTCP(t *testing.T) {
	t.Run("connect", func(t *testing.T) { wantUp(t, &TCP{}, serve(t, hang)) })
	t.Run("send and expect", func(t *testing.T) {
		wantUp(t, &TCP{Send: "hello\n", Expect: "^you said h.llo"}, serve(t, echoLine))
	})
	t.Run("answer in pieces", func(t *testing.T) {
		wantUp(t, &TCP{Expect: "ready"}, serve(t, func(c net.Conn) {
			io.WriteString(c, "re")
			io.WriteString(c, "ady")
			hang(c)
		}))
	})
	t.Run("wrong answer", func(t *testing.T) {
		wantDown(t, &TCP{Send: "bye\n", Expect: "hello"}, serve(t, echoLine),
			`got "you said bye\n", expected a match of "hello"`)
	})
	t.Run("endless answer", func(t *testing.T) {
		long := strings.Repeat("x", maxAnswer+1)
		wantDown(t, &TCP{Expect: "ready"}, serve(t, say(long)),
			`got "`+long[:shown]+`"…, waiting for a match of "ready": answer too long`)
	})
	tcpFailures(t, &TCP{Expect: "ready"}, strings.Repeat(".", 100)+"ready",
		`got "", waiting for a match of "ready": timed out`,
		`got "...", waiting for a match of "ready": timed out`)
	t.Run("only connecting", func(t *testing.T) {
		wantDown(t, &TCP{}, closedPort(t), "connect ADDR: connection refused")
		wantTimeout(t, &TCP{}, fullBacklog(t), "connect ADDR: timed out")
		wantTimeout(t, &TCP{Expect: "ready"}, fullBacklog(t), "connect ADDR: timed out")
	})
	t.Run("IPv6 with a source", func(t *testing.T) {
		l, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		target := targetOf(l.Addr())
		target.Source = target.Address
		wantUp(t, &TCP{}, target)
		target.Source = netip.MustParseAddr("127.0.0.1")
		if r := run(t, &TCP{}, target, testTimeout); r.OK {
			t.Error("the source of another family is taken")
		}
	})
	t.Run("no port", func(t *testing.T) {
		target := closedPort(t)
		target.Port = 0
		wantDown(t, &TCP{}, target, "no port to check: the service has none, give the check one")
	})
	t.Run("source address", func(t *testing.T) {
		from := make(chan string, 1)
		target := serve(t, func(c net.Conn) { from <- c.RemoteAddr().(*net.TCPAddr).IP.String() })
		target.Source = target.Address.Next() // 127.0.0.2
		wantUp(t, &TCP{}, target)
		if got := <-from; got != "127.0.0.2" {
			t.Errorf("connected from %s", got)
		}
	})
}

// fullBacklog is a server that has no room for a connection: the kernel drops
// every SYN.
func fullBacklog(t *testing.T) Target {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	address := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(unix.Bind(fd, address), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Address: netip.MustParseAddr("127.0.0.1"), Port: uint16(bound.(*unix.SockaddrInet4).Port)}
	conn, err := net.Dial("tcp", target.String()) // a backlog of 0 takes one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return target
}

// A check of a cancelled context ends at once.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	target := serve(t, hang)
	time.AfterFunc(shortTimeout, cancel)
	r := mustNew(t, &TCP{Expect: "ready"}).Run(ctx, target)
	if r.OK || r.Duration > testTimeout {
		t.Errorf("got %+v", r)
	}
}
