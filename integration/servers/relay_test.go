package servers

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// relay stands before a server and passes on its bytes one by one.
type relay struct {
	target check.Target
	server check.Target
	pace   time.Duration // before each byte of the server; 0 is full speed
	sent   atomic.Int64  // bytes of the server that went on
	done   context.Context
	conns  sync.WaitGroup
}

// startRelay runs a relay at the server's address until the end of the test.
func startRelay(t *testing.T, server check.Target, pace time.Duration) *relay {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(server.Address, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	done, end := context.WithCancel(context.Background())
	r := &relay{target: targetOf(l.Addr()), server: server, pace: pace, done: done}
	r.conns.Go(func() { r.accept(l) })
	t.Cleanup(func() {
		end()
		l.Close()
		r.conns.Wait()
	})
	return r
}

func (r *relay) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		r.conns.Go(func() { r.serve(client) })
	}
}

// serve ends with the first of both ends, or with the test.
func (r *relay) serve(client net.Conn) {
	server, err := net.Dial("tcp", r.server.String())
	if err != nil {
		client.Close()
		return
	}
	over, end := context.WithCancel(r.done)
	context.AfterFunc(over, func() {
		client.Close()
		server.Close()
	})
	var both sync.WaitGroup
	both.Go(func() {
		defer end()
		_, _ = io.Copy(server, client) // until one of them closes
	})
	both.Go(func() {
		defer end()
		r.answer(over, client, server)
	})
	both.Wait()
}

func (r *relay) answer(ctx context.Context, client io.Writer, server io.Reader) {
	chunk := make([]byte, 4096)
	if r.pace > 0 {
		chunk = chunk[:1]
	}
	for {
		n, err := server.Read(chunk)
		if err != nil || !r.wait(ctx) {
			return
		}
		if _, err := client.Write(chunk[:n]); err != nil {
			return
		}
		r.sent.Add(int64(n))
	}
}

// wait is false if the connection ended meanwhile.
func (r *relay) wait(ctx context.Context) bool {
	if r.pace == 0 {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(r.pace):
		return true
	}
}
