package servers

import (
	"syscall"
	"testing"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// startSMTP runs aiosmtpd: unlike the mail servers of Debian's default kind it
// needs no root, and it does not take the place of the one that a machine has.
func startSMTP(t *testing.T, at check.Target, args ...string) *server {
	t.Helper()
	dir := home(t)
	cmd := command(t, "python3-aiosmtpd", dir, "aiosmtpd", append([]string{"--nosetuid", "--listen", at.String()}, args...)...)
	return start(t, syscall.SIGTERM, cmd, &check.TCP{}, at)
}

func TestSMTP(t *testing.T) {
	t.Parallel()
	files, at := home(t), free(t, 1)[0]
	cert, other := newCertificate(t, files, "server", at), newCertificate(t, files, "other", at)
	s := startSMTP(t, at, "--tlscert", cert.cert, "--tlskey", cert.key)
	plain, startTLS := &check.SMTP{Helo: "lb1.example.com"}, &check.SMTP{TLS: "starttls", TLSOptions: cert.trusted()}
	ask(t, []question{
		{"plain", plain, at, ""},
		{"starttls", startTLS, at, ""},
		{"wrong authority", &check.SMTP{TLS: "starttls", TLSOptions: other.trusted()}, at, "smtp ADDR: STARTTLS: " + unknownAuthority},
		{"wrong name", &check.SMTP{TLS: "starttls", TLSOptions: cert.named("mail.example.net")}, at, "smtp ADDR: STARTTLS: " + otherName},
		{"no TLS there", &check.SMTP{TLS: "tls", TLSOptions: cert.trusted()}, at, "tls handshake with ADDR: tls: first record does not look like a TLS handshake"},
	})
	unhealthy(t, s, []question{
		{"plain", plain, at, "smtp ADDR: greeting: timed out"},
		{"starttls", startTLS, at, "smtp ADDR: greeting: timed out"},
	})
}

func TestSMTPS(t *testing.T) {
	t.Parallel()
	files, at := home(t), free(t, 1)[0]
	cert := newCertificate(t, files, "server", at)
	s := startSMTP(t, at, "--smtpscert", cert.cert, "--smtpskey", cert.key)
	overTLS := &check.SMTP{TLS: "tls", TLSOptions: cert.trusted()}
	ask(t, []question{
		{"tls", overTLS, at, ""},
		{"wrong name", &check.SMTP{TLS: "tls", TLSOptions: cert.named("mail.example.net")}, at, "tls handshake with ADDR: " + otherName},
	})
	unhealthy(t, s, []question{{"tls", overTLS, at, "tls handshake with ADDR: timed out"}})
}

func TestSMTPWithoutTLS(t *testing.T) {
	t.Parallel()
	at := free(t, 1)[0]
	startSMTP(t, at)
	ask(t, []question{
		{"plain", &check.SMTP{}, at, ""},
		{"starttls", &check.SMTP{TLS: "starttls"}, at, "smtp ADDR: STARTTLS: not offered"},
	})
}
