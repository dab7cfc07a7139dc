package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// How long the parts of a call may take. A client that is slower is cut off.
const (
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = 30 * time.Second
	idleTime   = 30 * time.Second

	// stopTime is how long calls may still be answered when the server stops.
	stopTime = time.Second
)

// Server answers on a unix socket.
type Server struct {
	director Director
	access   Access
	log      *slog.Logger
	http     http.Server
	crowd    crowd
	listener net.Listener
}

// Listen makes the socket, with access for its owner and, if there is one, a group.
// A left-over socket is replaced; one that somebody listens on, or anything else at
// its place, is an error.
func Listen(path string, a Access, d Director, log *slog.Logger) (*Server, error) {
	listener, err := listen(path, a)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return newServer(listener, a, d, log), nil
}

func newServer(l net.Listener, a Access, d Director, log *slog.Logger) *Server {
	s := &Server{director: d, access: a, log: log, listener: l}
	s.http = http.Server{
		ConnContext:       s.crowd.welcome,
		ConnState:         s.crowd.note,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

func listen(path string, a Access) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path of a socket has at most %d bytes", maxPath)
	}
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	return a.bind(path)
}

// removeSocket removes what a director left behind that was killed. The lock of
// the state directory does not cover a socket elsewhere, so that one may have an
// owner.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errors.Unwrap(err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("something that is not a socket is in its place")
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return errors.New("another process listens there")
	}
	return os.Remove(path)
}

// Run answers until the context ends; calls that are under way get a moment to
// end then.
func (s *Server) Run(ctx context.Context) error {
	s.http.Handler = s.crowd.asks(authorize(s.handler(ctx), s.access, s.log))
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		s.stop()
	})
	err := s.http.Serve(s.listener)
	if stop() {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	<-stopped
	return nil
}

func (s *Server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

// handler answers the calls until the context ends.
func (s *Server) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	for _, c := range calls(ctx, s.director) {
		mux.HandleFunc(c.method+" "+c.path, func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength != 0 {
				w.Header().Set("Connection", "close")
				write(w, http.StatusRequestEntityTooLarge, failure{Error: "a call has no body: what it says is in the query"})
				return
			}
			value, err := c.answer(r)
			if err != nil {
				write(w, http.StatusUnprocessableEntity, failureOf(err))
				return
			}
			write(w, http.StatusOK, value)
		})
	}
	return mux
}

func write(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	// An error here is the client's going away: nobody is left to tell.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value)
}
