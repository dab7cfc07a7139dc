package check

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"
)

const day = 24 * time.Hour

func TestTLS(t *testing.T) {
	own := newPKI(t, "127.0.0.1", 30*day+time.Hour)
	named := newPKI(t, "www.example.com", 30*day)
	no := false
	target := serve(t, own.over(hang))

	t.Run("address", func(t *testing.T) { wantUp(t, &TLS{TLSOptions: own.trusted()}, target) })
	t.Run("name", func(t *testing.T) {
		options := named.trusted()
		options.ServerName = "www.example.com"
		wantUp(t, &TLS{TLSOptions: options}, serve(t, named.over(hang)))
	})
	t.Run("enough days left", func(t *testing.T) { wantUp(t, &TLS{own.trusted(), 30}, target) })
	t.Run("too few days left", func(t *testing.T) {
		end := own.certificate.NotAfter.UTC().Format(time.DateTime)
		wantDown(t, &TLS{own.trusted(), 31}, target, "certificate of CN=127.0.0.1 ends "+end+": 30 days left, expected 31")
	})
	t.Run("not verified", func(t *testing.T) { wantUp(t, &TLS{TLSOptions: TLSOptions{Verify: &no}}, target) })
	t.Run("unknown authority", func(t *testing.T) {
		wantDown(t, &TLS{}, target, "tls handshake with ADDR: tls: failed to verify certificate: x509: certificate signed by unknown authority")
	})
	t.Run("wrong name", func(t *testing.T) {
		options := own.trusted()
		options.ServerName = "www.example.com"
		wantDown(t, &TLS{TLSOptions: options}, target,
			"tls handshake with ADDR: tls: failed to verify certificate: x509: certificate is not valid for any names, but wanted to match www.example.com")
	})
	t.Run("not TLS", func(t *testing.T) {
		wantDown(t, &TLS{}, serve(t, say("220 mail.example.com\r\n")),
			"tls handshake with ADDR: tls: first record does not look like a TLS handshake")
	})
	tcpFailures(t, &TLS{}, "\x16\x03\x03\x00\x40",
		"tls handshake with ADDR: timed out", "tls handshake with ADDR: timed out")
}

func TestTLSOwnCertificate(t *testing.T) {
	server, client := newPKI(t, "127.0.0.1", day), newPKI(t, "client", day)
	known := x509.NewCertPool()
	known.AddCert(client.certificate)
	config := server.server()
	config.ClientCAs, config.ClientAuth = known, tls.RequireAndVerifyClientCert
	config.MaxVersion = tls.VersionTLS12 // in 1.3 the client learns of its refusal after its handshake
	target := serve(t, func(c net.Conn) {
		if secure := tls.Server(c, config); secure.Handshake() == nil {
			hang(secure)
		}
	})

	options := server.trusted()
	wantDown(t, &TLS{TLSOptions: options}, target, "tls handshake with ADDR: remote error: tls: handshake failure")
	options.CertFile, options.KeyFile = file(t, client.cert, 0o644), file(t, client.key, 0o600)
	wantUp(t, &TLS{TLSOptions: options}, target)
}
