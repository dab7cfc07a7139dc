package integration

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// site is a web server on a host that can lose its test page, and stop. It
// counts what it is asked by clients.
type site struct {
	t       *testing.T
	host    *lab.Host
	broken  atomic.Bool  // the test page does not say what it should
	clients atomic.Int64 // requests for anything but the test page
	server  *http.Server
}

// newSite starts a site.
func newSite(t *testing.T, host *lab.Host) *site {
	s := &site{t: t, host: host}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *site) start() {
	s.t.Helper()
	listener := labtest.Must(s.host.Listen("tcp", ":80"))(s.t)
	s.server = &http.Server{Handler: s}
	go func(server *http.Server) { _ = server.Serve(listener) }(s.server)
}

// stop ends the server and its connections: from then on the kernel refuses.
func (s *site) stop() { _ = s.server.Close() }

// ServeHTTP serves the test page, and everywhere else the host's name.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/ldirector.html":
		s.clients.Add(1)
		fmt.Fprintln(w, s.host.Name)
	case s.broken.Load():
		http.NotFound(w, r)
	default:
		fmt.Fprintln(w, "<html>Test Page</html>")
	}
}
