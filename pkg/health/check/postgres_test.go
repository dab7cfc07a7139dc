package check

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// postgresServer takes one password from everybody.
func postgresServer(password string, cert *pki) func(net.Conn) {
	return func(c net.Conn) {
		b := pgproto3.NewBackend(c, c)
		start, err := b.ReceiveStartupMessage()
		if _, ok := start.(*pgproto3.SSLRequest); ok && cert != nil {
			c.Write([]byte("S"))
			c = tls.Server(c, cert.server())
			b = pgproto3.NewBackend(c, c)
			start, err = b.ReceiveStartupMessage()
		}
		if _, ok := start.(*pgproto3.StartupMessage); !ok || err != nil {
			return
		}
		b.Send(&pgproto3.AuthenticationCleartextPassword{})
		b.Flush()
		b.SetAuthType(pgproto3.AuthTypeCleartextPassword)
		msg, err := b.Receive()
		if err != nil {
			return
		}
		if given, ok := msg.(*pgproto3.PasswordMessage); !ok || given.Password != password {
			postgresRefuses("28P01", "password authentication failed")(c)
			return
		}
		b.Send(&pgproto3.AuthenticationOk{})
		b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte("1234")})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		b.Flush()
		hang(c)
	}
}

// postgresRefuses answers with an error.
func postgresRefuses(code, message string) func(net.Conn) {
	return func(c net.Conn) {
		b := pgproto3.NewBackend(c, c)
		b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: message})
		b.Flush()
		hang(c)
	}
}

func TestPostgres(t *testing.T) {
	target := serve(t, postgresServer("sesame", nil))
	login := &Postgres{Username: "ali", PasswordFile: file(t, "sesame\n", 0o600), Database: "shop"}
	cert := newPKI(t, "127.0.0.1", 24*time.Hour)

	t.Run("login", func(t *testing.T) { wantUp(t, login, target) })
	t.Run("login over TLS", func(t *testing.T) {
		secure := *login
		secure.TLS, secure.TLSOptions = true, cert.trusted()
		wantUp(t, &secure, serve(t, postgresServer("sesame", &cert)))
	})
	t.Run("login ignores the environment", func(t *testing.T) {
		t.Setenv("PGSSLMODE", "require")
		t.Setenv("PGPASSWORD", "other")
		t.Setenv("PGHOST", "192.0.2.1")
		wantUp(t, login, target)
	})
	t.Run("ready", func(t *testing.T) { wantUp(t, &Postgres{}, target) })
	t.Run("ready for others", func(t *testing.T) {
		wantUp(t, &Postgres{}, serve(t, postgresRefuses("28000", "no pg_hba.conf entry for host")))
	})
	t.Run("wrong password", func(t *testing.T) {
		wantDown(t, login, serve(t, postgresServer("other", nil)), "postgres ADDR: log in: password authentication failed (28P01)")
	})
	starting := serve(t, postgresRefuses("57P03", "the database system is starting up"))
	t.Run("starting", func(t *testing.T) {
		wantDown(t, &Postgres{}, starting, "postgres ADDR: the database system is starting up (57P03)")
	})
	t.Run("starting at login", func(t *testing.T) {
		wantDown(t, login, starting, "postgres ADDR: log in: the database system is starting up (57P03)")
	})
	t.Run("wrong certificate", func(t *testing.T) {
		secure := *login
		secure.TLS, secure.TLSOptions = true, TLSOptions{CAFile: cert.caFile, ServerName: "db.example.com"}
		wantDown(t, &secure, serve(t, postgresServer("sesame", &cert)), "postgres ADDR: log in: tls: failed to verify certificate: "+
			"x509: certificate is not valid for any names, but wanted to match db.example.com")
	})
	t.Run("no TLS offered", func(t *testing.T) {
		secure := *login
		secure.TLS = true
		wantDown(t, &secure, serve(t, say("N")), "postgres ADDR: log in: server refused TLS connection")
	})
	t.Run("not PostgreSQL", func(t *testing.T) {
		r := run(t, &Postgres{}, serve(t, say("HTTP/1.1 400 Bad Request\r\n\r\n")), testTimeout)
		if r.OK {
			t.Error("got OK")
		}
		t.Log(r.Error)
	})
}

func TestPostgresReadyFailures(t *testing.T) {
	tcpFailures(t, &Postgres{}, "R\x00\x00\x00\x40......", "postgres ADDR: timed out", "postgres ADDR: timed out")
}

func TestPostgresLoginFailures(t *testing.T) {
	tcpFailures(t, &Postgres{Username: "ali"}, "R\x00\x00\x00\x40......",
		"postgres ADDR: log in: timed out", "postgres ADDR: log in: timed out")
}
