package check

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// GRPC calls grpc.health.v1.Health/Check and expects SERVING
// (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). The call
// is one HTTP/2 request, and net/http speaks that; google.golang.org/grpc
// would double the size of the program.
type GRPC struct {
	Service string `toml:"service" json:"service,omitempty"` // default "": the server as a whole
	Host    string `toml:"host" json:"host,omitempty"`       // authority; default: address and port
	TLS     bool   `toml:"tls" json:"tls,omitempty"`
	TLSOptions
}

// Kind is "grpc".
func (*GRPC) Kind() string { return "grpc" }

type grpcProbe struct {
	host    string
	request []byte
	tls     *tlsClient
}

const grpcMethod = "/grpc.health.v1.Health/Check"

func (s *GRPC) compile(b *builder) probe {
	if s.Host != "" && (!httpguts.ValidHostHeader(s.Host) || strings.ContainsAny(s.Host, "/@ ")) {
		b.fail("host", "%q is not a host name", s.Host)
	}
	p := grpcProbe{
		host:    s.Host,
		request: grpcFrame(healthRequest(s.Service)),
		tls:     b.optionalTLS(s.TLS, s.TLSOptions, hostname(s.Host)),
	}
	return simple(p.run)
}

func (p grpcProbe) run(ctx context.Context, t Target) error {
	conn, err := connect(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close()
	transport, scheme, err := p.transport(conn, t)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	if err := p.call(ctx, transport, scheme, t); err != nil {
		return fmt.Errorf("grpc health of %s: %w", t.addrPort(), err)
	}
	return nil
}

// transport speaks HTTP/2 over one connection, without TLS from its first byte
// on (RFC 9113 section 3.3).
func (p grpcProbe) transport(conn net.Conn, t Target) (*http.Transport, string, error) {
	tr := &http.Transport{
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		Protocols:          new(http.Protocols),
		DisableCompression: true,
	}
	if p.tls == nil {
		tr.Protocols.SetUnencryptedHTTP2(true)
		return tr, "http", nil
	}
	cfg, err := p.tls.config(t)
	if err != nil {
		return nil, "", err
	}
	tr.TLSClientConfig = cfg
	tr.Protocols.SetHTTP2(true)
	return tr, "https", nil
}

func (p grpcProbe) call(ctx context.Context, rt http.RoundTripper, scheme string, t Target) error {
	u := url.URL{Scheme: scheme, Host: t.addrPort().String(), Path: grpcMethod}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(string(p.request)))
	if err != nil {
		return err
	}
	req.Host = p.host
	req.Header = http.Header{
		"Content-Type": {"application/grpc"},
		"Te":           {"trailers"},
		"User-Agent":   {"lvsd"},
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return reason(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return reason(ctx, err)
	}
	return judgeHealth(resp, body)
}

func judgeHealth(resp *http.Response, body []byte) error {
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/grpc") {
		return fmt.Errorf("answer is not gRPC: status %d, content type %q", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	trailer := resp.Trailer
	if resp.Header.Get("Grpc-Status") != "" { // an answer without a message
		trailer = resp.Header
	}
	if code := trailer.Get("Grpc-Status"); code != "0" {
		return fmt.Errorf("grpc status %s: %s", grpcStatus(code), trailer.Get("Grpc-Message"))
	}
	status, err := healthStatus(body)
	if err != nil {
		return err
	}
	if status != "SERVING" {
		return fmt.Errorf("%s, expected SERVING", status)
	}
	return nil
}

// grpcStatus names the codes that a health check meets.
func grpcStatus(code string) string {
	names := map[string]string{"5": "NOT_FOUND", "7": "PERMISSION_DENIED", "12": "UNIMPLEMENTED", "14": "UNAVAILABLE", "16": "UNAUTHENTICATED"}
	if name := names[code]; name != "" {
		return name
	}
	return code
}

// grpcFrame puts the length before an uncompressed message.
func grpcFrame(message []byte) []byte {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(frame, message...)
}

// healthRequest is the message HealthCheckRequest{service = 1}.
func healthRequest(service string) []byte {
	if service == "" {
		return nil
	}
	message := []byte{0x0a} // field 1, bytes
	message = binary.AppendUvarint(message, uint64(len(service)))
	return append(message, service...)
}

// healthStatus reads a frame with the message HealthCheckResponse{status = 1}.
func healthStatus(frame []byte) (string, error) {
	if len(frame) < 5 || frame[0] != 0 || int(binary.BigEndian.Uint32(frame[1:])) != len(frame)-5 {
		return "", errors.New("malformed answer")
	}
	message := frame[5:]
	if len(message) == 0 {
		return "UNKNOWN", nil
	}
	status, n := binary.Uvarint(message[1:])
	if message[0] != 0x08 || n <= 0 { // field 1, a number
		return "", errors.New("malformed answer")
	}
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status < uint64(len(names)) {
		return names[status], nil
	}
	return fmt.Sprintf("status %d", status), nil
}
