package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/smtp"
	"slices"
	"strings"
)

// SMTP waits for the greeting and says EHLO; with tls = "starttls" it goes on
// to TLS and says EHLO again, with tls = "tls" all of it goes through TLS.
type SMTP struct {
	Helo string `toml:"helo" json:"helo,omitempty"` // default "localhost"
	TLS  string `toml:"tls" json:"tls,omitempty"`   // "" (none), "starttls" or "tls"
	TLSOptions
}

// Kind is "smtp".
func (*SMTP) Kind() string { return "smtp" }

type smtpProbe struct {
	helo     string
	tls      *tlsClient
	startTLS bool
}

func (s *SMTP) compile(b *builder) probe {
	p := smtpProbe{helo: s.Helo, startTLS: s.TLS == "starttls"}
	if p.helo == "" {
		p.helo = "localhost"
	}
	if strings.ContainsAny(s.Helo, " \r\n") {
		b.fail("helo", "%q is not a host name", s.Helo)
	}
	if !slices.Contains([]string{"", "starttls", "tls"}, s.TLS) {
		b.fail("tls", "%q: expected starttls or tls", s.TLS)
	}
	p.tls = b.optionalTLS(s.TLS != "", s.TLSOptions, "")
	return simple(p.run)
}

func (p smtpProbe) run(ctx context.Context, t Target) error {
	conn, err := p.connect(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := p.converse(ctx, conn, t); err != nil {
		return fmt.Errorf("smtp %s: %w", t.addrPort(), err)
	}
	return nil
}

func (p smtpProbe) connect(ctx context.Context, t Target) (net.Conn, error) {
	if p.startTLS {
		return connect(ctx, t)
	}
	return p.tls.connect(ctx, t)
}

func (p smtpProbe) converse(ctx context.Context, conn net.Conn, t Target) error {
	client, err := smtp.NewClient(conn, t.Address.String())
	if err != nil {
		return fmt.Errorf("greeting: %w", reason(ctx, err))
	}
	if err := client.Hello(p.helo); err != nil {
		return fmt.Errorf("EHLO: %w", reason(ctx, err))
	}
	if p.startTLS {
		cfg, err := p.tls.config(t)
		if err != nil {
			return err
		}
		if err := startTLS(client, cfg); err != nil {
			return fmt.Errorf("STARTTLS: %w", reason(ctx, err))
		}
	}
	// A polite end; the server has shown what it can, so nobody waits for 221.
	_ = client.Text.PrintfLine("QUIT")
	return nil
}

func startTLS(client *smtp.Client, cfg *tls.Config) error {
	if ok, _ := client.Extension("STARTTLS"); !ok {
		return fmt.Errorf("not offered")
	}
	return client.StartTLS(cfg)
}
