package config

import (
	"net/mail"
	"net/netip"
	"slices"
	"strconv"
)

func (c *checker) email(name string, raw *rawReceiver) *Email {
	e := &Email{
		From:     c.mailAddress(&raw.From),
		Security: StartTLS,
		Username: raw.Username.value,
		Password: c.file(&raw.Password, "password_file"),
		TLS:      c.peer(raw),
	}
	if !raw.To.given() || raw.To.ok() && len(raw.To.values) == 0 {
		c.add(raw.pos, `to = ["ADDRESS"]`, "notify.%s has no recipient", name)
	}
	for i := range raw.To.values {
		if to := c.mailAddress(&raw.To.values[i]); to != "" && !slices.Contains(e.To, to) {
			e.To = append(e.To, to)
		}
	}
	securities := []string{"starttls", "tls", "none"}
	if v, ok := choose(&c.problems, &raw.TLS, "tls", securities, word(StartTLS, ImplicitTLS, NoTLS)); ok {
		e.Security = v
	}
	c.mailServer(name, raw, e)
	c.mailLogin(raw, e)
	return e
}

func (c *checker) mailAddress(t *text) string {
	if !t.ok() {
		return ""
	}
	a, err := mail.ParseAddress(t.value)
	if err != nil || a.Name != "" || a.Address != t.value {
		c.add(t.pos, `an address such as "ops@example.com"`, "%q is not a mail address", t.value)
		return ""
	}
	return a.Address
}

// mailServer reads server. Its name is not resolved now: it is needed when
// something is wrong, and the answer may have changed by then.
func (c *checker) mailServer(name string, raw *rawReceiver, e *Email) {
	if !raw.Server.given() {
		c.add(raw.pos, `server = "HOST:PORT"`, "notify.%s has no mail server", name)
	}
	if !raw.Server.ok() {
		return
	}
	// RFC 6409 section 3.1, RFC 8314 section 7.3, RFC 5321 section 4.5.4.2.
	e.Port = map[MailSecurity]uint16{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}[e.Security]
	s, ok := splitEndpoint(raw.Server.value)
	if _, err := netip.ParseAddr(s.host); !ok || err != nil && !hostName(s.host) {
		c.add(raw.Server.pos, anEndpoint, "%q is not a host", raw.Server.value)
		return
	}
	e.Host = s.host
	if s.port == "" {
		return
	}
	port, err := strconv.ParseUint(s.port, 10, 16)
	if err != nil || port == 0 {
		c.add(raw.Server.pos, "a port "+span(1, 65535), "%q is not a port", s.port)
	}
	e.Port = uint16(port)
}

// mailLogin checks that a password belongs to a name and does not travel in
// clear.
func (c *checker) mailLogin(raw *rawReceiver, e *Email) {
	switch {
	case raw.Username.given() && !raw.Password.given():
		c.add(raw.Username.pos, "password_file too", "username has no password")
	case raw.Password.given() && !raw.Username.given():
		c.add(raw.Password.pos, "username too", "password_file is of no use without a username")
	case raw.Username.given() && e.Security == NoTLS:
		c.add(raw.Username.pos, `tls = "starttls" or "tls"`, "the password would travel in clear")
	}
	if e.Security == NoTLS {
		for key, pos := range given(&raw.rawPeer) {
			c.add(pos, `tls = "starttls" or "tls"`, "%s has no effect without tls", key)
		}
	}
}
