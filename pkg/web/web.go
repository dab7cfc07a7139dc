// Package web serves a director's status page, its metrics and whether it is well,
// by HTTP, to be read only. It can do no harm to the director: it asks for the
// status through sockets of its own, at most once in a while for all who look, and
// a listener that fails is tried again. What it serves is bounded: connections,
// streams, times, and requests, which have no body.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/status"
)

const (
	// How long the parts of a request may take.
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = 30 * time.Second
	idleTime   = 30 * time.Second

	// retryTime is the time between two attempts to listen.
	retryTime = 5 * time.Second

	// stopTime is how long answers may take when the server stops.
	stopTime = time.Second
)

// Director is what the page shows.
type Director interface {
	Status(context.Context) (status.Status, error)
	// Alive is an error if the director does not compare the kernel any more.
	Alive() error
	// Ready is an error if the kernel is not as configured.
	Ready() error
	// Recent gives the latest changes, the newest first.
	Recent() []Change
}

// Change is something that happened.
type Change struct {
	Time  time.Time `json:"time"`
	Text  string    `json:"text"`
	Grave bool      `json:"grave"` // it begins a problem
}

// Server serves what Set says.
type Server struct {
	log     *slog.Logger
	handler http.Handler
	hub     *hub
	changed chan struct{} // capacity 1

	mu     sync.Mutex
	wanted *config.HTTP
}

// New makes a server that does not listen yet. Metrics is the handler of /metrics.
func New(d Director, metrics http.Handler, log *slog.Logger) *Server {
	h := newHub(d)
	return &Server{log: log, hub: h, handler: handler(d, h, metrics), changed: make(chan struct{}, 1)}
}

// Set says where to listen; nil is nowhere.
func (s *Server) Set(h *config.HTTP) {
	s.mu.Lock()
	same := s.wanted == h || s.wanted != nil && h != nil && *s.wanted == *h
	s.wanted = h
	s.mu.Unlock()
	if !same {
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}
}

// Kick says that something has changed that those who look should see at once. It
// never blocks.
func (s *Server) Kick() { s.hub.kick() }

func (s *Server) current() *config.HTTP {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// Run serves until the context ends.
func (s *Server) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	tasks.Go(func() { s.hub.run(ctx) })
	defer tasks.Wait()
	told := ""
	for ctx.Err() == nil {
		var again <-chan time.Time
		if h := s.current(); h != nil {
			err := s.serve(ctx, *h)
			if text := errorText(err); text != told {
				told = text
				if err != nil {
					s.log.Error("status page not served, it will be tried again", "listen", h.Listen, "err", err)
				}
			}
			if err == nil {
				continue
			}
			again = time.After(retryTime)
		}
		select {
		case <-ctx.Done():
		case <-s.changed:
		case <-again:
		}
	}
	return nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// serve serves by these settings until the context ends or the settings change,
// and then without an error.
func (s *Server) serve(ctx context.Context, h config.HTTP) error {
	if err := toolkit.Validate(h.WebConfig); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", h.Listen)
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the rest of it is the address once more
	}
	if err != nil {
		return err
	}
	server := s.server()
	streams, end := context.WithCancel(ctx)
	defer end()
	server.BaseContext = func(net.Listener) context.Context { return streams }
	served := make(chan error, 1)
	go func() {
		served <- toolkit.Serve(listener, server, &toolkit.FlagConfig{WebConfigFile: &h.WebConfig}, slog.New(slog.DiscardHandler))
	}()
	s.log.Info("status page served", "listen", listener.Addr().String(), "web_config", h.WebConfig)
	select {
	case err := <-served:
		listener.Close()
		return err
	case <-ctx.Done():
	case <-s.changed:
	}
	end()
	stop(server)
	<-served
	return nil
}

func (s *Server) server() *http.Server {
	crowd := newCrowd()
	return &http.Server{
		Handler:           s.handler,
		ConnState:         crowd.state,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

func stop(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
}
