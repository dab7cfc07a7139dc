package check

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Postgres logs in. Without a username it asks as pg_isready does: a server
// that wants a password, or refuses the login for whom it is, is ready; one
// that starts up, shuts down or is full is not.
type Postgres struct {
	Username     string `toml:"username" json:"username,omitempty"`
	PasswordFile string `toml:"password_file" json:"password_file,omitempty"`
	Database     string `toml:"database" json:"database,omitempty"` // default: the user's name
	TLS          bool   `toml:"tls" json:"tls,omitempty"`
	TLSOptions
}

// Kind is "postgres".
func (*Postgres) Kind() string { return "postgres" }

type postgresProbe struct {
	login    login
	database string
	tls      *tlsClient
}

func (s *Postgres) compile(b *builder) probe {
	if s.Username == "" {
		b.loginOnly(s.PasswordFile, s.Database, s.TLS, s.TLSOptions)
		return simple(postgresReady)
	}
	p := postgresProbe{b.login(s.Username, s.PasswordFile), s.Database, b.optionalTLS(s.TLS, s.TLSOptions, "")}
	return simple(p.run)
}

func (p postgresProbe) run(ctx context.Context, t Target) error {
	conn, err := connect(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close()
	cfg, err := p.config(conn, t)
	if err != nil {
		return err
	}
	pg, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("postgres %s: log in: %w", t.addrPort(), postgresCause(ctx, err))
	}
	return hangUp(pg)
}

// config starts from an empty connection string; what ParseConfig takes from
// the environment and from files of the daemon's user is then replaced.
func (p postgresProbe) config(conn net.Conn, t Target) (*pgconn.Config, error) {
	password, err := p.login.password()
	if err != nil {
		return nil, err
	}
	cfg, err := pgconn.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	cfg.Host, cfg.Port = t.Address.String(), t.Port
	cfg.User, cfg.Password, cfg.Database = p.login.username, password, p.database
	cfg.Fallbacks, cfg.ValidateConnect, cfg.RuntimeParams = nil, nil, map[string]string{"application_name": "lvsd"}
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	if p.tls != nil {
		cfg.TLSConfig, err = p.tls.config(t)
	}
	return cfg, err
}

// hangUp ends a session without waiting for the server.
func hangUp(pg *pgconn.PgConn) error {
	hijacked, err := pg.Hijack()
	if err != nil {
		return err
	}
	hijacked.Frontend.Send(&pgproto3.Terminate{})
	_ = hijacked.Frontend.Flush()
	return hijacked.Conn.Close()
}

func postgresCause(ctx context.Context, err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return fmt.Errorf("%s (%s)", pgErr.Message, pgErr.Code)
	}
	err = reason(ctx, err)
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return innermost(err)
	}
	return err
}

// innermost strips an error of all its layers: pgconn's name the user, the
// database and the address, twice.
func innermost(err error) error {
	for {
		var inner error
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			inner = e.Unwrap()
		case interface{ Unwrap() []error }:
			if all := e.Unwrap(); len(all) > 0 {
				inner = all[0]
			}
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}

// postgresReady sends a start-up message and looks at the first answer.
func postgresReady(ctx context.Context, t Target) error {
	conn, err := connect(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close()
	frontend := pgproto3.NewFrontend(conn, conn)
	frontend.SetMaxBodyLen(maxAnswer)
	frontend.Send(&pgproto3.StartupMessage{
		ProtocolVersion: pgproto3.ProtocolVersion30,
		Parameters:      map[string]string{"user": "lvsd", "database": "postgres", "application_name": "lvsd"},
	})
	if err := frontend.Flush(); err != nil {
		return fmt.Errorf("postgres %s: %w", t.addrPort(), reason(ctx, err))
	}
	answer, err := frontend.Receive()
	if err == nil {
		err = judgeReady(answer)
	}
	if err != nil {
		return fmt.Errorf("postgres %s: %w", t.addrPort(), reason(ctx, err))
	}
	return nil
}

// judgeReady takes class 28 (invalid authorisation) as ready; see appendix A of
// the manual of PostgreSQL.
func judgeReady(answer pgproto3.BackendMessage) error {
	switch m := answer.(type) {
	case pgproto3.AuthenticationResponseMessage:
		return nil
	case *pgproto3.ErrorResponse:
		if len(m.Code) == 5 && m.Code[:2] == "28" {
			return nil
		}
		return fmt.Errorf("%s (%s)", m.Message, m.Code)
	}
	return fmt.Errorf("answered %T, expected a request to log in", answer)
}
