package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"
)

// TLS makes a handshake, and may watch how long the certificates are valid.
type TLS struct {
	TLSOptions
	DaysLeft int `toml:"days_left" json:"days_left,omitempty"` // fail if a certificate of the server's chain ends in fewer days; 0 does not look
}

// Kind is "tls".
func (*TLS) Kind() string { return "tls" }

func (s *TLS) compile(b *builder) probe {
	client := b.tls(s.TLSOptions, "")
	if s.DaysLeft < 0 {
		b.fail("days_left", "%d is negative", s.DaysLeft)
	}
	return simple(func(ctx context.Context, t Target) error {
		conn, err := client.connect(ctx, t)
		if err != nil {
			return err
		}
		defer conn.Close()
		return checkDays(conn.(*tls.Conn).ConnectionState(), s.DaysLeft, time.Now())
	})
}

// checkDays looks at the server's own certificate and at the intermediate ones
// that it sent, because clients fail as well when one of those ends.
func checkDays(state tls.ConnectionState, days int, now time.Time) error {
	if days == 0 {
		return nil
	}
	for _, cert := range state.PeerCertificates {
		left := cert.NotAfter.Sub(now)
		if left < time.Duration(days)*24*time.Hour {
			return fmt.Errorf("certificate of %s ends %s: %d days left, expected %d",
				cert.Subject, cert.NotAfter.UTC().Format(time.DateTime), int(left.Hours()/24), days)
		}
	}
	return nil
}
