package check

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"
)

// MySQL logs in and pings. Without a username it only reads the greeting; a
// server counts that as a broken handshake and refuses the director after
// max_connect_errors of them, unless a login succeeds in between.
type MySQL struct {
	Username     string `toml:"username" json:"username,omitempty"`
	PasswordFile string `toml:"password_file" json:"password_file,omitempty"`
	Database     string `toml:"database" json:"database,omitempty"`
	TLS          bool   `toml:"tls" json:"tls,omitempty"`
	TLSOptions
}

// Kind is "mysql".
func (*MySQL) Kind() string { return "mysql" }

type mysqlProbe struct {
	login    login
	database string
	tls      *tlsClient
}

func (s *MySQL) compile(b *builder) probe {
	if s.Username == "" {
		b.loginOnly(s.PasswordFile, s.Database, s.TLS, s.TLSOptions)
		return simple(mysqlGreeting)
	}
	p := mysqlProbe{b.login(s.Username, s.PasswordFile), s.Database, b.optionalTLS(s.TLS, s.TLSOptions, "")}
	return simple(p.run)
}

func (p mysqlProbe) run(ctx context.Context, t Target) error {
	conn, err := connect(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close()
	cfg, err := p.config(conn, t)
	if err != nil {
		return err
	}
	if err := mysqlPing(ctx, cfg); err != nil {
		return fmt.Errorf("mysql %s: %w", t.addrPort(), err)
	}
	return nil
}

func (p mysqlProbe) config(conn net.Conn, t Target) (*mysql.Config, error) {
	password, err := p.login.password()
	if err != nil {
		return nil, err
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = p.login.username, password, p.database
	cfg.Net, cfg.Addr = "tcp", t.addrPort().String()
	cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	cfg.Logger = &mysql.NopLogger{}
	if p.tls != nil {
		cfg.TLS, err = p.tls.config(t)
	}
	return cfg, err
}

func mysqlPing(ctx context.Context, cfg *mysql.Config) error {
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	c, err := connector.Connect(ctx)
	if err != nil {
		return fmt.Errorf("log in: %w", reason(ctx, err))
	}
	defer c.Close()
	pinger, ok := c.(interface{ Ping(context.Context) error })
	if !ok {
		return errors.New("ping: the driver has none")
	}
	if err := pinger.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", reason(ctx, err))
	}
	return nil
}

// mysqlGreeting reads the packet that the server sends first: the handshake of
// protocol 10, or an error, as when it has too many connections.
func mysqlGreeting(ctx context.Context, t Target) error {
	conn, err := connect(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := readGreeting(conn); err != nil {
		return fmt.Errorf("mysql %s: greeting: %w", t.addrPort(), err)
	}
	return nil
}

func readGreeting(r io.Reader) error {
	var header [4]byte // length in three bytes, sequence number
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return cause(err)
	}
	length := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if length == 0 || length > maxAnswer {
		return fmt.Errorf("%s is not MySQL", quote(header[:]))
	}
	packet := make([]byte, length)
	if _, err := io.ReadFull(r, packet); err != nil {
		return cause(err)
	}
	switch {
	case packet[0] == 10:
		return nil
	case packet[0] == 0xff && length >= 3:
		return fmt.Errorf("error %d: %s", binary.LittleEndian.Uint16(packet[1:]), quote(packet[3:]))
	}
	return fmt.Errorf("%s is not MySQL", quote(packet))
}
