package web

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// connections is how many may be open at once.
const connections = 256

// crowd bounds the number of connections. When one too many comes, the one that has
// been idle for longest goes, so that somebody who opens many and asks for nothing
// keeps nobody out.
type crowd struct {
	mu    sync.Mutex
	limit int
	idle  *list.List // of net.Conn that ask for nothing, the longest first
	of    map[net.Conn]*list.Element
	busy  map[net.Conn]bool
}

func newCrowd() *crowd {
	return &crowd{limit: connections, idle: list.New(), of: map[net.Conn]*list.Element{}, busy: map[net.Conn]bool{}}
}

// state is an http.Server's ConnState.
func (c *crowd) state(conn net.Conn, s http.ConnState) {
	if gone := c.note(conn, s); gone != nil {
		gone.Close()
	}
}

// note notes a connection's state and gives the one to close, nil for none.
func (c *crowd) note(conn net.Conn, s http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(conn)
	switch s {
	case http.StateNew, http.StateIdle:
		c.of[conn] = c.idle.PushBack(conn)
	case http.StateActive:
		c.busy[conn] = true
	}
	if s != http.StateNew || c.idle.Len()+len(c.busy) <= c.limit {
		return nil
	}
	oldest := c.idle.Front().Value.(net.Conn) // there is one: the new one at least
	c.forget(oldest)
	return oldest
}

func (c *crowd) forget(conn net.Conn) {
	if e := c.of[conn]; e != nil {
		c.idle.Remove(e)
		delete(c.of, conn)
	}
	delete(c.busy, conn)
}
