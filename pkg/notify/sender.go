package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// sender brings a message to one recipient. It holds nothing open between two
// messages, and reads its secrets for each.
type sender interface {
	send(ctx context.Context, m notice.Message) error
	// check finds what can be wrong before there is a message.
	check() error
}

// settings are one table of the configuration for one recipient.
type settings struct {
	name string
	config.Receiver
	sender
	batch    int // events in a message at most
	attempts int // to send a message; 0: as long as its events are not too old
}

// split gives every recipient its own settings, so that one that refuses mail
// does not stop the mail to the others.
func split(list []config.Receiver) []settings {
	var all []settings
	for _, r := range list {
		s := settings{name: r.Name, Receiver: r, batch: 100}
		switch {
		case r.Exec != nil:
			s.sender, s.batch, s.attempts = program{*r.Exec}, 1, 3
			all = append(all, s)
		case r.Webhook != nil:
			s.sender = webhook{*r.Webhook}
			all = append(all, s)
		case r.Email != nil:
			for _, to := range r.Email.To {
				s.sender, s.name, s.batch = email{*r.Email, to}, r.Name, 500
				if len(r.Email.To) > 1 {
					s.name += " " + to
				}
				all = append(all, s)
			}
		}
	}
	return all
}

// hold is for how long a receiver may take a problem to last: four reminders, as
// Prometheus tells Alertmanager.
func (s settings) hold() time.Duration { return 4 * s.Repeat }

// attempt sends a message within the receiver's time.
func (s settings) attempt(ctx context.Context, m notice.Message) error {
	m.Time, m.Hold = time.Now(), s.hold()
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	err := s.send(ctx, m)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("timed out after %s", s.Timeout)
	}
	return err
}

// Check finds what is wrong with receivers before they are needed: files that
// are not there or can be read by others, programs and users that do not exist.
func Check(list []config.Receiver) error {
	var errs []error
	for _, s := range split(list) {
		if err := s.check(); err != nil {
			errs = append(errs, fmt.Errorf("notify.%s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Outcome is what came of a test message.
type Outcome struct {
	Name  string  `json:"name"`  // of the receiver, with the recipient where there are several
	Error string  `json:"error"` // "" if it was taken
	Took  float64 `json:"seconds"`
}

// TestReceivers sends a message to the receiver with a name, or to all if it is
// "", now and once, past every queue.
func TestReceivers(ctx context.Context, director, name string, list []config.Receiver) ([]Outcome, error) {
	var chosen []settings
	for _, s := range split(list) {
		if name == "" || s.Name == name {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		if name == "" {
			return nil, errors.New("the configuration has no table [notify.NAME]")
		}
		return nil, fmt.Errorf("the configuration has no table [notify.%s]", name)
	}
	event := notice.Event{Kind: notice.Test, Time: time.Now(), Director: director, Cause: "sent by lvsd notify test"}
	outcomes := make([]Outcome, len(chosen))
	done := make(chan struct{})
	for i, s := range chosen {
		go func() {
			started := time.Now()
			err := s.attempt(ctx, notice.Message{Director: director, Events: []notice.Event{event}})
			outcomes[i] = Outcome{Name: s.name, Error: errorText(err), Took: time.Since(started).Seconds()}
			done <- struct{}{}
		}()
	}
	for range chosen {
		<-done
	}
	return outcomes, nil
}

// errorText is an error on one line, "" without one. A server may have a say in
// it, so that it holds nothing that a terminal would obey.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}), " ")
}

// tlsConfig is how a server with this name is verified.
func tlsConfig(p config.Peer, host string) (*tls.Config, error) {
	c := &tls.Config{
		ServerName: host,
		MinVersion: tls.VersionTLS12,
		// Only by the operator's explicit verify = false.
		InsecureSkipVerify: p.Insecure,
	}
	if p.ServerName != "" {
		c.ServerName = p.ServerName
	}
	if p.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(p.CAFile)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read %s: no PEM certificate in it", p.CAFile)
	}
	return c, nil
}
