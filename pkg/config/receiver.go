package config

import (
	"time"

	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// Receiver is one table [notify.NAME]: who is told of events, and how. One of
// Email, Webhook and Exec is not nil.
type Receiver struct {
	Name    string
	On      []notice.Kind // what it wants to know, in the order of notice.Kinds
	Repeat  time.Duration // how often it is told that a problem lasts; 0: never again
	Collect time.Duration // how long events are gathered for one message
	Rate    int           // messages per minute at most
	Timeout time.Duration // of one attempt to reach it

	Email   *Email
	Webhook *Webhook
	Exec    *Exec
}

// Email is a receiver by mail. Every recipient gets a mail of its own.
type Email struct {
	To       []string // bare addresses, in the file's order
	From     string
	Host     string
	Port     uint16
	Security MailSecurity
	Username string // "": no login
	Password string // its file
	TLS      Peer
}

// MailSecurity is how a connection to a mail server is protected.
type MailSecurity string

// The choices of tls in [notify.NAME].
const (
	StartTLS    MailSecurity = "starttls" // required, not tried
	ImplicitTLS MailSecurity = "tls"      // RFC 8314 section 3
	NoTLS       MailSecurity = "none"
)

// Webhook is a receiver by HTTP.
type Webhook struct {
	URL          string // or URLFile
	URLFile      string // for URLs that are secrets, as Slack's are
	Format       string // of notice.Formats; "" with a template
	Template     string
	ContentType  string
	Headers      []Header // sorted
	SecretHeader string   // "": none
	SecretFile   string   // what is in it is the value of that header
	TLS          Peer
}

// Header is a header of an HTTP request.
type Header struct{ Name, Value string }

// Exec is a receiver by a program.
type Exec struct {
	Command []string
	User    string // "": the daemon's own
}

// Peer is how a TLS server is verified.
type Peer struct {
	Insecure   bool   // by verify = false only
	ServerName string // "": the host's
	CAFile     string // PEM, in place of the system's authorities; "": those
}
