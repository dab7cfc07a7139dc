package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A Service runs on a host, in the lab's own process, until it or the lab is closed.
type Service struct {
	// Addr is where it listens; its port is the one that the kernel chose if 0 was asked for.
	Addr net.Addr

	once  sync.Once
	close func() error
	err   error
}

// Close ends the service, breaks its connections, and waits until both are done.
func (s *Service) Close() error {
	s.once.Do(func() { s.err = s.close() })
	return s.err
}

func (h *Host) newService(addr net.Addr, stop func() error) *Service {
	s := &Service{Addr: addr}
	forget := h.lab.onClose(s.Close)
	s.close = func() error {
		forget()
		if err := stop(); err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("close %s on %s: %w", addr, h.Name, err)
		}
		return nil
	}
	return s
}

// Web serves HTTP on an address of the host such as ":80", which means every address of both families:
//
//	/           the host's name
//	/remote     the client's address and port as the server sees them
//	/bytes?n=N  a body of N bytes
//	/slow?ms=N  the host's name after N milliseconds
//	/upload     the number of bytes in the request's body
func (h *Host) Web(address string) (*Service, error) {
	l, err := h.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: h.webHandler()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // returns when Close is called, with that as its error
	}()
	return h.newService(l.Addr(), func() error {
		err := server.Close()
		<-done
		return err
	}), nil
}

func (h *Host) webHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, h.Name) })
	mux.HandleFunc("/remote", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.RemoteAddr) })
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, n)
	})
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.FormValue("n"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		_, _ = io.CopyN(w, repeat('x'), n)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		ms, err := strconv.Atoi(r.FormValue("ms"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
			fmt.Fprintln(w, h.Name)
		case <-r.Context().Done():
		}
	})
	return mux
}

// repeat reads as one byte for ever.
type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

// TCPEcho answers every line of a connection with the host's name, a blank and the line; connections last until the client ends them.
func (h *Host) TCPEcho(address string) (*Service, error) {
	l, err := h.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return h.echoLines(l), nil
}

// echoLines serves a listener of stream connections.
func (h *Host) echoLines(l net.Listener) *Service {
	var (
		mu    sync.Mutex
		conns = map[net.Conn]bool{}
		work  sync.WaitGroup
	)
	serve := func(c net.Conn) {
		defer c.Close()
		lines := bufio.NewScanner(c)
		for lines.Scan() {
			if _, err := fmt.Fprintf(c, "%s %s\n", h.Name, lines.Text()); err != nil {
				return
			}
		}
	}
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[c] = true
			mu.Unlock()
			work.Go(func() {
				serve(c)
				mu.Lock()
				delete(conns, c)
				mu.Unlock()
			})
		}
	})
	return h.newService(l.Addr(), func() error {
		err := l.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		work.Wait()
		return err
	})
}
