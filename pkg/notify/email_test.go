package notify

import (
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// postOffice is an SMTP server that keeps what it gets.
type postOffice struct {
	port uint16

	mu   sync.Mutex
	mail []letter
}

type letter struct{ user, from, to, text string }

// newPostOffice starts a server: with TLS from the first byte, by STARTTLS, or
// without if identity is nil.
func newPostOffice(t *testing.T, identity *tls.Config, implicit bool) *postOffice {
	t.Helper()
	l, port := listen(t)
	p := &postOffice{port: port}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &counter{office: p}, nil }))
	s.Domain, s.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	if implicit {
		l = tls.NewListener(l, identity)
	} else {
		s.TLSConfig = identity
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		l.Close() // Close does not know a listener before Serve has begun
		<-done
	})
	return p
}

func (p *postOffice) received() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]letter(nil), p.mail...)
}

// counter is a session with a post office. It knows no nobody@, and no other
// password than "secret".
type counter struct {
	office *postOffice
	letter letter
}

func (c *counter) AuthMechanisms() []string { return []string{sasl.Plain} }

func (c *counter) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "secret" {
			return smtp.ErrAuthFailed
		}
		c.letter.user = user
		return nil
	}), nil
}

func (c *counter) Mail(from string, _ *smtp.MailOptions) error {
	c.letter.from = from
	return nil
}

func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	c.letter.to = to
	return nil
}

func (c *counter) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	c.letter.text = string(text)
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	c.office.mail = append(c.office.mail, c.letter)
	return err
}

func (c *counter) Reset()        {}
func (c *counter) Logout() error { return nil }

var sampleEvents = []notice.Event{
	{Kind: notice.ServerDown, Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Director: "lb1", Virtual: "web", Real: "web1", Cause: "“no” route\r\nX-Evil: 1"},
	{Kind: notice.ServerUp, Time: time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC), Director: "lb1", Virtual: "web", Real: "web2"},
}

func sendMail(t *testing.T, e config.Email, to string, timeout time.Duration) error {
	t.Helper()
	s := settings{sender: email{e, to}, Receiver: config.Receiver{Timeout: timeout}}
	return s.attempt(t.Context(), notice.Message{Director: "lb1", Events: sampleEvents})
}

func TestEmail(t *testing.T) {
	identity, ca := identity(t)
	password := writeFile(t, "secret\n", 0o600)
	verified := config.Peer{CAFile: ca}
	for _, tt := range []struct {
		name     string
		server   *tls.Config
		implicit bool
		email    config.Email
		to       string
		err      string // "" is delivered
	}{
		{"starttls with login", identity, false, config.Email{Security: config.StartTLS, TLS: verified, Username: "lvsd", Password: password}, "ops@example.com", ""},
		{"tls with login", identity, true, config.Email{Security: config.ImplicitTLS, TLS: verified, Username: "lvsd", Password: password}, "ops@example.com", ""},
		{"starttls", identity, false, config.Email{Security: config.StartTLS, TLS: verified}, "ops@example.com", ""},
		{"without tls", nil, false, config.Email{Security: config.NoTLS}, "ops@example.com", ""},
		{"not verified", identity, false, config.Email{Security: config.StartTLS, TLS: config.Peer{Insecure: true}}, "ops@example.com", ""},
		{"name to verify", identity, true, config.Email{Security: config.ImplicitTLS, TLS: config.Peer{CAFile: ca, ServerName: "example.com"}}, "ops@example.com", ""},
		{"wrong name", identity, false, config.Email{Security: config.StartTLS, TLS: config.Peer{CAFile: ca, ServerName: "mail.test"}}, "ops@example.com", "mail.test"},
		{"unknown authority", identity, false, config.Email{Security: config.StartTLS}, "ops@example.com", "unknown authority"},
		{"unknown authority, tls", identity, true, config.Email{Security: config.ImplicitTLS}, "ops@example.com", "unknown authority"},
		{"no starttls", nil, false, config.Email{Security: config.StartTLS}, "ops@example.com", "does not support STARTTLS"},
		{"wrong password", identity, false, config.Email{Security: config.StartTLS, TLS: verified, Username: "lvsd", Password: writeFile(t, "wrong", 0o600)}, "ops@example.com", "535"},
		{"open password", identity, false, config.Email{Security: config.StartTLS, TLS: verified, Username: "lvsd", Password: writeFile(t, "secret", 0o644)}, "ops@example.com", "mode 0644 lets others"},
		{"refused recipient", identity, false, config.Email{Security: config.StartTLS, TLS: verified}, "nobody@example.com", "no such mailbox"},
		{"no authority file", identity, false, config.Email{Security: config.StartTLS, TLS: config.Peer{CAFile: "/nowhere"}}, "ops@example.com", "/nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			office := newPostOffice(t, tt.server, tt.implicit)
			e := tt.email
			e.From, e.Host, e.Port = "lvsd@example.com", "127.0.0.1", office.port
			err := sendMail(t, e, tt.to, 10*time.Second)
			got := office.received()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || len(got) > 0 {
					t.Errorf("got %v and %d letters, want %q", err, len(got), tt.err)
				}
				return
			}
			if err != nil || len(got) != 1 {
				t.Fatalf("got %v and %d letters", err, len(got))
			}
			want := letter{user: e.Username, from: "lvsd@example.com", to: tt.to, text: got[0].text}
			if got[0] != want {
				t.Errorf("got %+v, want %+v", got[0], want)
			}
			checkLetter(t, got[0].text)
		})
	}
}

func checkLetter(t *testing.T, text string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"Subject", "To", "From", "Auto-Submitted", "X-Evil"} {
		got[name] = m.Header.Get(name)
	}
	want := map[string]string{
		"Subject": "[lb1] 2 events: 1 server-down, 1 server-up", "To": "<ops@example.com>", "From": "<lvsd@example.com>",
		"Auto-Submitted": "auto-generated", "X-Evil": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if m.Header.Get("Message-Id") == "" || m.Header.Get("Date") == "" {
		t.Errorf("no id or date: %v", m.Header)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || !strings.Contains(string(body), "real server web/web1 is down: “no” route") ||
		!strings.Contains(string(body), "real server web/web2 is up") {
		t.Errorf("body %q, %v", body, err)
	}
}

func TestEmailDeadline(t *testing.T) {
	for _, security := range []config.MailSecurity{config.StartTLS, config.ImplicitTLS, config.NoTLS} {
		started := time.Now()
		e := config.Email{From: "lvsd@example.com", Host: "127.0.0.1", Port: silent(t), Security: security}
		err := sendMail(t, e, "ops@example.com", 200*time.Millisecond)
		if took := time.Since(started); err == nil || err.Error() != "timed out after 200ms" || took > 5*time.Second {
			t.Errorf("%s: got %v after %s", security, err, took)
		}
	}
}

// A recipient that the server refuses does not stop the mail to the others.
func TestEveryRecipientForItself(t *testing.T) {
	office := newPostOffice(t, nil, false)
	list := []config.Receiver{{Name: "ops", On: notice.Kinds(), Rate: 60, Timeout: 10 * time.Second, Email: &config.Email{
		To: []string{"a@example.com", "nobody@example.com", "b@example.com"}, From: "lvsd@example.com",
		Host: "127.0.0.1", Port: office.port, Security: config.NoTLS,
	}}}
	outcomes, err := TestReceivers(t.Context(), "lb1", "ops", list)
	if err != nil {
		t.Fatal(err)
	}
	failed := map[string]bool{}
	for _, o := range outcomes {
		failed[o.Name] = o.Error != ""
	}
	want := map[string]bool{"ops a@example.com": false, "ops nobody@example.com": true, "ops b@example.com": false}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	if n := len(office.received()); n != 2 {
		t.Errorf("%d letters, want 2", n)
	}
	if _, err := TestReceivers(t.Context(), "lb1", "op", list); err == nil {
		t.Error("a receiver that does not exist is tested")
	}
	n := New("lb1", list, slog.New(slog.DiscardHandler))
	if got := n.Status(); len(got) != 3 || got[1].Name != "ops nobody@example.com" {
		t.Errorf("status %+v", got)
	}
}
