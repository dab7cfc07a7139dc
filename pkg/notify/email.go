package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/wneessen/go-mail"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/secret"
)

// email mails messages to one recipient.
type email struct {
	config.Email
	to string
}

func (e email) check() error {
	_, errPassword := e.password()
	_, errTLS := tlsConfig(e.TLS, e.Host)
	return errors.Join(errPassword, errTLS)
}

func (e email) password() (string, error) {
	if e.Password == "" {
		return "", nil
	}
	return secret.Read(e.Password)
}

func (e email) send(ctx context.Context, m notice.Message) error {
	letter, err := e.letter(m)
	if err != nil {
		return err
	}
	verify, err := tlsConfig(e.TLS, e.Host)
	if err != nil {
		return err
	}
	conn, err := e.connect(ctx, verify)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", e.server(), err)
	}
	// The library follows the context while it connects only, and leaves the
	// connection open when a greeting or a login fails.
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	client, err := e.client(ctx, conn, verify)
	if err != nil {
		return err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("log in to %s: %w", e.server(), err)
	}
	err = client.SendWithSMTPClient(session, letter)
	if letter.IsDelivered() {
		// The server has it: what fails after that is the farewell.
		_ = client.CloseWithSMTPClient(session)
		return nil
	}
	return fmt.Errorf("mail to %s by %s: %w", e.to, e.server(), err)
}

func (e email) server() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

func (e email) letter(m notice.Message) (*mail.Msg, error) {
	letter := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(letter.From(e.From), letter.To(e.to)); err != nil {
		return nil, fmt.Errorf("write a mail: %w", err)
	}
	letter.Subject(m.Subject())
	letter.SetDateWithValue(m.Time)
	letter.SetMessageID()
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5: nobody's absence answers it
	letter.SetBodyString(mail.TypeTextPlain, m.Text())
	return letter, nil
}

func (e email) connect(ctx context.Context, verify *tls.Config) (net.Conn, error) {
	if e.Security == config.ImplicitTLS {
		d := tls.Dialer{Config: verify}
		return d.DialContext(ctx, "tcp", e.server())
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", e.server())
}

// client is the library's for a connection that is made already.
func (e email) client(ctx context.Context, conn net.Conn, verify *tls.Config) (*mail.Client, error) {
	options := []mail.Option{
		mail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return conn, nil }),
		mail.WithTLSConfig(verify),
		mail.WithTLSPolicy(e.policy()),
	}
	if e.Username != "" {
		password, err := e.password()
		if err != nil {
			return nil, err
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.Username), mail.WithPassword(password))
	}
	client, err := mail.NewClient(e.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail to %s: %w", e.to, err)
	}
	return client, nil
}

func (e email) policy() mail.TLSPolicy {
	switch e.Security {
	case config.NoTLS:
		return mail.NoTLS
	case config.ImplicitTLS:
		// The connection is a TLS one. The library only looks at it, so that it
		// knows that a password may be sent, if it is told to take what TLS it gets.
		return mail.TLSOpportunistic
	}
	return mail.TLSMandatory
}
