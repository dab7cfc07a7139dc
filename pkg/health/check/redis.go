package check

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
)

// Redis sends PING, after AUTH if there is a login, and expects PONG. The
// protocol of that is two lines (RESP), so no client library is needed.
type Redis struct {
	Username     string `toml:"username" json:"username,omitempty"` // default: the user "default"
	PasswordFile string `toml:"password_file" json:"password_file,omitempty"`
	TLS          bool   `toml:"tls" json:"tls,omitempty"`
	TLSOptions
}

// Kind is "redis".
func (*Redis) Kind() string { return "redis" }

type redisProbe struct {
	login login
	tls   *tlsClient
}

func (s *Redis) compile(b *builder) probe {
	if s.Username != "" && s.PasswordFile == "" {
		b.fail("password_file", "is missing: username needs it")
	}
	p := redisProbe{b.login(s.Username, s.PasswordFile), b.optionalTLS(s.TLS, s.TLSOptions, "")}
	return simple(p.run)
}

func (p redisProbe) run(ctx context.Context, t Target) error {
	auth, err := p.auth()
	if err != nil {
		return err
	}
	conn, err := p.tls.connect(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	if auth != nil {
		if err := redisCommand(conn, r, "+OK", auth...); err != nil {
			return fmt.Errorf("redis %s: AUTH: %w", t.addrPort(), err)
		}
	}
	if err := redisCommand(conn, r, "+PONG", "PING"); err != nil {
		return fmt.Errorf("redis %s: PING: %w", t.addrPort(), err)
	}
	return nil
}

func (p redisProbe) auth() ([]string, error) {
	if p.login.secret == nil {
		return nil, nil
	}
	password, err := p.login.password()
	if p.login.username == "" {
		return []string{"AUTH", password}, err
	}
	return []string{"AUTH", p.login.username, password}, err
}

// redisCommand sends one command and reads the line of its answer.
func redisCommand(conn net.Conn, r *bufio.Reader, want string, words ...string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return cause(err)
	}
	line, err := r.ReadString('\n')
	if err != nil {
		return cause(err)
	}
	line = strings.TrimRight(line, "\r\n")
	if message, ok := strings.CutPrefix(line, "-"); ok {
		return fmt.Errorf("answered %s", quote(message))
	}
	if line != want {
		return fmt.Errorf("answered %s, expected %q", quote(line), want)
	}
	return nil
}
