package check

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// page is the web site of these tests.
func page() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ldirector.html", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<h1>Test Page</h1>")
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://elsewhere.invalid/ldirector.html")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/circle", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/circle", http.StatusFound)
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "done")
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		for range 3 * maxBody / 1024 {
			io.WriteString(w, strings.Repeat("x", 1024))
		}
	})
	mux.HandleFunc("/request", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s %s %s %s X=%s %s:%s", r.Method, r.Host, r.RequestURI, r.UserAgent(), r.Header.Get("X"), user, password)
	})
	return mux
}

func serveHTTP(t *testing.T) Target {
	t.Helper()
	s := httptest.NewServer(page())
	t.Cleanup(s.Close)
	return targetOf(s.Listener.Addr())
}

func TestHTTP(t *testing.T) {
	target := serveHTTP(t)
	secret := file(t, "open sesame\n", 0o600)

	for _, tt := range []struct {
		name string
		spec HTTP
	}{
		{"status", HTTP{Path: "/ldirector.html"}},
		{"body", HTTP{Path: "/ldirector.html", ExpectBody: "Test Page"}},
		{"head", HTTP{Path: "/ldirector.html", Method: "HEAD"}},
		{"redirect is an answer", HTTP{Path: "/moved"}},
		{"redirect to the same server", HTTP{Path: "/moved", FollowRedirects: true, ExpectBody: "Test Page"}},
		{"expected status", HTTP{Path: "/broken", ExpectStatus: Statuses{{200, 200}, {500, 503}}}},
		{"interim answer", HTTP{Path: "/early", ExpectBody: "^done$"}},
		{"long body", HTTP{Path: "/long", ExpectBody: "xxx"}},
		{"request", HTTP{
			Path: "/request?full=1", Method: "OPTIONS", Host: "www.example.com", Headers: map[string]string{"X": "y"},
			Username: "ali", PasswordFile: secret,
			ExpectBody: `^OPTIONS www.example.com /request\?full=1 lvsd X=y ali:open sesame$`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { wantUp(t, &tt.spec, target) })
	}

	for _, tt := range []struct {
		name string
		spec HTTP
		want string
	}{
		{"status", HTTP{Path: "/broken"}, "GET http://ADDR/broken: status 503, expected 200-399"},
		{"not found", HTTP{}, "GET http://ADDR/: status 404, expected 200-399"},
		{"wrong body", HTTP{Path: "/ldirector.html", ExpectBody: "Welcome"},
			`GET http://ADDR/ldirector.html: status 200, body "<h1>Test Page</h1>", expected a match of "Welcome"`},
		{"redirect circle", HTTP{Path: "/circle", FollowRedirects: true}, "GET http://ADDR/circle: more than 10 redirects"},
	} {
		t.Run(tt.name+" is down", func(t *testing.T) { wantDown(t, &tt.spec, target, tt.want) })
	}
}

func TestHTTPFailures(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	tcpFailures(t, &HTTP{}, answer, "GET http://ADDR/: timed out", "GET http://ADDR/: timed out")

	t.Run("dripping body", func(t *testing.T) {
		head, _, _ := strings.Cut(answer, "ok")
		target := serve(t, func(c net.Conn) {
			io.WriteString(c, strings.Replace(head, "Length: 2", "Length: 100", 1))
			drip(strings.Repeat(".", 100))(c)
		})
		r := run(t, &HTTP{}, target, shortTimeout)
		if r.OK || !strings.HasSuffix(r.Error, "timed out") || !strings.Contains(r.Error, "status 200, body after ") {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("short body", func(t *testing.T) {
		target := serve(t, func(c net.Conn) {
			c.Read(make([]byte, 4096))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
		})
		wantDown(t, &HTTP{}, target, "GET http://ADDR/: status 200, body after 2 bytes: connection closed by the server")
	})
	t.Run("closed without an answer", func(t *testing.T) {
		target := serve(t, func(c net.Conn) { c.Read(make([]byte, 4096)) })
		wantDown(t, &HTTP{}, target, "GET http://ADDR/: connection closed by the server")
	})
	t.Run("not HTTP", func(t *testing.T) {
		wantDown(t, &HTTP{}, serve(t, say("220 mail.example.com\r\n")), `GET http://ADDR/: malformed HTTP status code "mail.example.com"`)
	})
	t.Run("endless header", func(t *testing.T) {
		long := "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*(maxHeader+maxBody))
		wantDown(t, &HTTP{}, serve(t, say(long)), "GET http://ADDR/: answer too long")
	})
	t.Run("secret for everybody", func(t *testing.T) {
		path := file(t, "open sesame", 0o644)
		wantDown(t, &HTTP{Username: "ali", PasswordFile: path}, serveHTTP(t),
			"read "+path+": mode 0644 lets others than its owner read it: expected 0600")
	})
}

func TestHTTPS(t *testing.T) {
	named := newPKI(t, "www.example.com", 30*24*time.Hour)
	names := make(chan string, 10)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names <- r.TLS.ServerName
		page().ServeHTTP(w, r)
	}))
	s.TLS = named.server()
	s.StartTLS()
	defer s.Close()
	target := targetOf(s.Listener.Addr())
	spec := &HTTPS{HTTP{Path: "/ldirector.html", Host: "www.example.com", ExpectBody: "Test Page"}, named.trusted()}

	t.Run("verified with SNI", func(t *testing.T) {
		wantUp(t, spec, target)
		if got := <-names; got != "www.example.com" {
			t.Errorf("server name %q", got)
		}
	})
	t.Run("verified by default", func(t *testing.T) {
		wantDown(t, &HTTPS{HTTP: spec.HTTP}, target,
			"tls handshake with ADDR: tls: failed to verify certificate: x509: certificate signed by unknown authority")
	})
	t.Run("not verified", func(t *testing.T) {
		no := false
		wantUp(t, &HTTPS{spec.HTTP, TLSOptions{Verify: &no}}, target)
	})
	t.Run("redirect from http", func(t *testing.T) {
		plain := serve(t, say("HTTP/1.1 301 Moved\r\nLocation: https://"+target.String()+"/ldirector.html\r\nContent-Length: 0\r\n\r\n"))
		wantDown(t, &HTTP{FollowRedirects: true}, plain,
			strings.ReplaceAll("tls handshake with PORT: tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs", "PORT", target.String()))
	})
	tcpFailures(t, spec, "\x16\x03\x03\x00\x40", "tls handshake with ADDR: timed out", "tls handshake with ADDR: timed out")
}
