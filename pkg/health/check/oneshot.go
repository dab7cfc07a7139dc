package check

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// oneShot carries each request over a connection of its own to the target,
// whatever host the URL names, in the calling goroutine: http.Transport keeps
// two goroutines and a pool for what a check does once.
type oneShot struct {
	target Target
	scheme string // of the check: a redirect to the other one goes to that one's port
	tls    *tlsClient
}

// maxHeader bounds the headers of all the answers on one connection.
const maxHeader = 64 << 10

// connectError is an error that already names the address.
type connectError struct{ error }

func (o *oneShot) RoundTrip(req *http.Request) (*http.Response, error) {
	conn, err := o.connect(req.Context(), req)
	if err != nil {
		return nil, &connectError{err}
	}
	if err := req.Write(conn); err != nil {
		conn.Close()
		return nil, err
	}
	resp, err := readResponse(conn, req)
	if err != nil {
		conn.Close()
		return nil, err
	}
	resp.Body = &body{resp.Body, conn}
	return resp, nil
}

func (o *oneShot) connect(ctx context.Context, req *http.Request) (net.Conn, error) {
	t := o.target
	if req.URL.Scheme != o.scheme {
		t.Port = urlPort(req)
	}
	conn, err := dial(ctx, "tcp", t, maxHeader+maxBody)
	if err != nil || req.URL.Scheme == "http" {
		return conn, err
	}
	if req.URL.Scheme != "https" {
		conn.Close()
		return nil, fmt.Errorf("redirect to %s: expected http or https", req.URL)
	}
	client := *o.tls
	if client.serverName == "" && req.URL.Host != o.target.addrPort().String() {
		client.serverName = req.URL.Hostname()
	}
	return client.handshake(ctx, conn, t)
}

func urlPort(req *http.Request) uint16 {
	if port, err := strconv.ParseUint(req.URL.Port(), 10, 16); err == nil {
		return uint16(port)
	}
	if req.URL.Scheme == "https" {
		return 443
	}
	return 80
}

// readResponse skips interim answers (RFC 9110 section 15.2).
func readResponse(conn net.Conn, req *http.Request) (*http.Response, error) {
	r := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(r, req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

type body struct {
	io.ReadCloser
	conn net.Conn
}

// Close closes the connection only: closing a body reads it to its end.
func (b *body) Close() error { return b.conn.Close() }
