package check

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// serveGRPC runs the reference implementation of the health protocol.
func serveGRPC(t *testing.T, options ...grpc.ServerOption) (Target, *health.Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, h := grpc.NewServer(options...), health.NewServer()
	healthpb.RegisterHealthServer(s, h)
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-served
	})
	return targetOf(l.Addr()), h
}

func TestGRPC(t *testing.T) {
	target, h := serveGRPC(t)
	h.SetServingStatus("shop.Cart", healthpb.HealthCheckResponse_SERVING)
	h.SetServingStatus("shop.Stock", healthpb.HealthCheckResponse_NOT_SERVING)

	t.Run("server", func(t *testing.T) { wantUp(t, &GRPC{}, target) })
	t.Run("service", func(t *testing.T) { wantUp(t, &GRPC{Service: "shop.Cart", Host: "shop.example.com"}, target) })
	t.Run("not serving", func(t *testing.T) {
		wantDown(t, &GRPC{Service: "shop.Stock"}, target, "grpc health of ADDR: NOT_SERVING, expected SERVING")
	})
	t.Run("unknown service", func(t *testing.T) {
		wantDown(t, &GRPC{Service: "nobody"}, target, "grpc health of ADDR: grpc status NOT_FOUND: unknown service")
	})
	t.Run("without the health service", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		go s.Serve(l)
		defer s.Stop()
		wantDown(t, &GRPC{}, targetOf(l.Addr()), "grpc health of ADDR: grpc status UNIMPLEMENTED: unknown service grpc.health.v1.Health")
	})
}

func TestGRPCOverTLS(t *testing.T) {
	cert := newPKI(t, "shop.example.com", 24*time.Hour)
	target, _ := serveGRPC(t, grpc.Creds(credentials.NewTLS(cert.server())))
	spec := &GRPC{TLS: true, TLSOptions: cert.trusted(), Host: "shop.example.com"}
	wantUp(t, spec, target)
	spec.Host = ""
	wantDown(t, spec, target,
		"grpc health of ADDR: tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs")
}

func TestGRPCFailures(t *testing.T) {
	t.Run("HTTP/2, not gRPC", func(t *testing.T) {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		defer s.Close()
		wantDown(t, &GRPC{}, targetOf(s.Listener.Addr()),
			`grpc health of ADDR: answer is not gRPC: status 404, content type "text/plain; charset=utf-8"`)
	})
	t.Run("TLS without HTTP/2", func(t *testing.T) {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
		s.StartTLS()
		defer s.Close()
		no := false
		r := run(t, &GRPC{TLS: true, TLSOptions: TLSOptions{Verify: &no}}, targetOf(s.Listener.Addr()), testTimeout)
		if r.OK {
			t.Error("got OK")
		}
		t.Log(r.Error)
	})
	t.Run("HTTP/1.1", func(t *testing.T) {
		s := httptest.NewServer(http.NotFoundHandler())
		defer s.Close()
		r := run(t, &GRPC{}, targetOf(s.Listener.Addr()), testTimeout)
		if r.OK {
			t.Error("got OK")
		}
		t.Log(r.Error)
	})
	settings := "\x00\x00\x00\x04\x00\x00\x00\x00\x00" // an empty SETTINGS frame
	tcpFailures(t, &GRPC{}, settings+settings, "grpc health of ADDR: timed out", "grpc health of ADDR: timed out")
}

func TestHealthStatus(t *testing.T) {
	for _, tt := range []struct {
		name, frame, want string
	}{
		{"serving", "\x00\x00\x00\x00\x02\x08\x01", "SERVING"},
		{"empty message", "\x00\x00\x00\x00\x00", "UNKNOWN"},
		{"new status", "\x00\x00\x00\x00\x02\x08\x07", "status 7"},
		{"no frame", "", ""},
		{"compressed", "\x01\x00\x00\x00\x02\x08\x01", ""},
		{"cut off", "\x00\x00\x00\x00\x02\x08", ""},
		{"no number", "\x00\x00\x00\x00\x01\x08", ""},
		{"other field", "\x00\x00\x00\x00\x02\x10\x01", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := healthStatus([]byte(tt.frame))
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}
