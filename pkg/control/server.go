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

	"golang.org/x/sys/unix"
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
	log      *slog.Logger
	http     http.Server
	listener net.Listener
}

// Listen makes the socket, with access for its owner only. A left-over socket
// is replaced; one that somebody listens on, or anything else at its place, is
// an error.
func Listen(path string, d Director, log *slog.Logger) (*Server, error) {
	listener, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return newServer(listener, d, log), nil
}

func newServer(l net.Listener, d Director, log *slog.Logger) *Server {
	s := &Server{director: d, log: log, listener: l}
	s.http = http.Server{
		ConnContext:       withPeer,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

func listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path of a socket has at most %d bytes", maxPath)
	}
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	// The mask closes the moment between bind and chmod.
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	listener, err := net.Listen("unix", path)
	var op *net.OpError
	if errors.As(err, &op) {
		return nil, op.Err // the rest of it is the path once more
	}
	return listener, err
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
	s.http.Handler = authorize(s.handler(ctx), s.log)
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

// handler answers the calls until the context ends. A reload outlives a client
// that has gone away: what it began, it ends.
func (s *Server) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	handle(mux, "GET "+statusPath, func(r *http.Request) (any, error) { return s.director.Status(r.Context()) })
	handle(mux, "POST "+reloadPath, func(*http.Request) (any, error) { return s.director.Reload(ctx) })
	handle(mux, "GET "+probesPath, func(r *http.Request) (any, error) {
		q := r.URL.Query()
		return s.director.Probes(r.Context(), q.Get("virtual"), q.Get("server"))
	})
	handle(mux, "GET "+healthPath, func(r *http.Request) (any, error) { return s.director.Health(r.Context()) })
	handle(mux, "POST "+notifyPath, func(r *http.Request) (any, error) {
		return s.director.TestNotify(r.Context(), r.URL.Query().Get("name"))
	})
	handleVRRP(mux, s.director)
	handleOverrides(mux, s.director)
	return mux
}

// handle answers a call with what a function makes of its query. A body has no
// meaning here and is not read.
func handle(mux *http.ServeMux, pattern string, answer func(*http.Request) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		value, err := answer(r)
		reply(w, value, err)
	})
}

func reply(w http.ResponseWriter, value any, err error) {
	code := http.StatusOK
	if err != nil {
		code, value = http.StatusUnprocessableEntity, failureOf(err)
	}
	w.Header().Set("Content-Type", "application/json")
	// An error here is the client's going away: nobody is left to tell.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value)
}

// authorize lets root and the daemon's own user in, and logs who changes
// something.
func authorize(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, ok := r.Context().Value(peerKey{}).(*unix.Ucred)
		if !ok || peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if r.Method != http.MethodGet {
			log.Info("control request", "path", r.URL.Path, "user", user(r.Context()), "uid", peer.Uid, "pid", peer.Pid)
		}
		next.ServeHTTP(w, r)
	})
}
