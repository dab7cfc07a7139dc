package check

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// mailServer speaks as much SMTP (RFC 5321) as a check hears, with STARTTLS
// (RFC 3207) if it has a certificate.
func mailServer(cert *pki) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, "220 mail.example.com ESMTP\r\n")
		mailSession(c, cert)
	}
}

func mailSession(c net.Conn, cert *pki) {
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		switch verb, _, _ := strings.Cut(lines.Text(), " "); verb {
		case "EHLO":
			io.WriteString(c, "250-mail.example.com\r\n")
			if cert != nil {
				io.WriteString(c, "250-STARTTLS\r\n")
			}
			io.WriteString(c, "250 SIZE 1000000\r\n")
		case "STARTTLS":
			io.WriteString(c, "220 go on\r\n")
			mailSession(tls.Server(c, cert.server()), nil)
			return
		case "QUIT":
			io.WriteString(c, "221 bye\r\n")
			return
		default:
			fmt.Fprintf(c, "502 %s not implemented\r\n", verb)
		}
	}
}

func TestSMTP(t *testing.T) {
	cert := newPKI(t, "mail.example.com", 30*24*time.Hour)
	options := cert.trusted()
	options.ServerName = "mail.example.com"

	t.Run("plain", func(t *testing.T) { wantUp(t, &SMTP{Helo: "lb1.example.com"}, serve(t, mailServer(nil))) })
	t.Run("starttls", func(t *testing.T) {
		wantUp(t, &SMTP{TLS: "starttls", TLSOptions: options}, serve(t, mailServer(&cert)))
	})
	t.Run("tls", func(t *testing.T) {
		wantUp(t, &SMTP{TLS: "tls", TLSOptions: options}, serve(t, cert.over(mailServer(nil))))
	})
	t.Run("no starttls", func(t *testing.T) {
		wantDown(t, &SMTP{TLS: "starttls"}, serve(t, mailServer(nil)), "smtp ADDR: STARTTLS: not offered")
	})
	t.Run("wrong certificate", func(t *testing.T) {
		wantDown(t, &SMTP{TLS: "starttls", TLSOptions: cert.trusted()}, serve(t, mailServer(&cert)),
			"smtp ADDR: STARTTLS: tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs")
	})
	t.Run("wrong answer", func(t *testing.T) {
		wantDown(t, &SMTP{}, serve(t, say("554 no mail here\r\n")), "smtp ADDR: greeting: 554 \"no mail here\"")
	})
	t.Run("refuses EHLO", func(t *testing.T) {
		wantDown(t, &SMTP{}, serve(t, say("220 hello\r\n501 who are you\r\n501 who are you\r\n")), "smtp ADDR: EHLO: 501 \"who are you\"")
	})
	t.Run("hangs at QUIT", func(t *testing.T) {
		wantUp(t, &SMTP{}, serve(t, say("220 hello\r\n250 mail\r\n")))
	})
	tcpFailures(t, &SMTP{}, "220-mail.example.com ESMTP\r\n", "smtp ADDR: greeting: timed out", "smtp ADDR: greeting: timed out")
}
