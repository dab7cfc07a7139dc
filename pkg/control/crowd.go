package control

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// maxConns is how many connections may be open at once. Each costs some kilobytes and
// a file.
const maxConns = 256

// crowd keeps the number of connections in bounds. Who does not ask makes room for
// who comes, the longest one first: a thousand connections that say nothing, or say
// it one byte at a time, keep nobody out.
type crowd struct {
	mu    sync.Mutex
	last  int
	conns map[net.Conn]*guest
}

// guest is one connection.
type guest struct {
	number int // in the order of arrival
	asking int // calls that are being answered
}

type guestKey struct{}

// welcome is the ConnContext of a server.
func (c *crowd) welcome(ctx context.Context, conn net.Conn) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return context.WithValue(withPeer(ctx, conn), guestKey{}, c.guest(conn))
}

// guest finds a connection's, or makes it. The caller holds the mutex.
func (c *crowd) guest(conn net.Conn) *guest {
	if c.conns == nil {
		c.conns = map[net.Conn]*guest{}
	}
	g := c.conns[conn]
	if g == nil {
		c.last++
		g = &guest{number: c.last}
		c.conns[conn] = g
	}
	return g
}

// note is the ConnState of a server.
func (c *crowd) note(conn net.Conn, state http.ConnState) {
	if surplus := c.change(conn, state); surplus != nil {
		surplus.Close()
	}
}

// change gives the connection to close, if there is one too many.
func (c *crowd) change(conn net.Conn, state http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(c.conns, conn)
		return nil
	}
	c.guest(conn)
	if len(c.conns) <= maxConns {
		return nil
	}
	surplus, least := conn, c.last+1
	for other, g := range c.conns {
		if g.asking == 0 && g.number < least {
			surplus, least = other, g.number
		}
	}
	delete(c.conns, surplus)
	return surplus
}

// asks marks a connection for the time of a call.
func (c *crowd) asks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guestKey{}).(*guest); ok {
			c.count(g, 1)
			defer c.count(g, -1)
		}
		next.ServeHTTP(w, r)
	})
}

func (c *crowd) count(g *guest, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.asking += n
}
