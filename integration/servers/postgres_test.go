package servers

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lvsd/lvsd/pkg/health/check"
)

func startPostgres(t *testing.T, dir string, cert certificate, at check.Target) *server {
	t.Helper()
	data := filepath.Join(dir, "data")
	run(t, command(t, "postgresql", dir, "initdb", "--pgdata="+data, "--auth=scram-sha-256", "--username=ali",
		"--pwfile="+file(t, dir, "password", "sesame\n"), "--no-sync", "--locale=C.UTF-8"))
	cmd := command(t, "postgresql", dir, "postgres", "-D", data,
		"-c", "listen_addresses="+at.Address.String(), "-c", "port="+port(at), "-c", "unix_socket_directories=", "-c", "fsync=off",
		"-c", "ssl=on", "-c", "ssl_cert_file="+cert.cert, "-c", "ssl_key_file="+cert.key)
	return start(t, syscall.SIGINT, cmd, &check.Postgres{}, at)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	dir := home(t)
	at := free(t, 1)[0]
	cert, other := newCertificate(t, dir, "server", at), newCertificate(t, dir, "other", at)
	s := startPostgres(t, dir, cert, at)

	right := file(t, t.TempDir(), "right", "sesame\n")
	wrong := file(t, t.TempDir(), "wrong", "open")
	ready, login := &check.Postgres{}, &check.Postgres{Username: "ali", PasswordFile: right, Database: "postgres"}
	overTLS := &check.Postgres{Username: "ali", PasswordFile: right, Database: "postgres", TLS: true, TLSOptions: cert.trusted()}
	denied := "postgres ADDR: log in: password authentication failed for user \"ali\" (28P01)"
	ask(t, []question{
		{"ready", ready, at, ""},
		{"login", login, at, ""},
		{"login over TLS", overTLS, at, ""},
		{"wrong password", &check.Postgres{Username: "ali", PasswordFile: wrong}, at, denied},
		{"no password", &check.Postgres{Username: "ali"}, at, "postgres ADDR: log in: …"},
		{"wrong database", &check.Postgres{Username: "ali", PasswordFile: right, Database: "shop"}, at,
			`postgres ADDR: log in: database "shop" does not exist (3D000)`},
		{"wrong authority", &check.Postgres{Username: "ali", PasswordFile: right, TLS: true, TLSOptions: other.trusted()}, at,
			"postgres ADDR: log in: " + unknownAuthority},
		{"wrong name", &check.Postgres{Username: "ali", PasswordFile: right, TLS: true, TLSOptions: cert.named("mail.example.net")}, at,
			"postgres ADDR: log in: " + otherName},
	})
	questions := []question{
		{"ready", ready, at, "postgres ADDR: timed out"},
		{"login", login, at, "postgres ADDR: log in: timed out"},
		{"login over TLS", overTLS, at, "postgres ADDR: log in: timed out"},
	}
	slow(t, questions)
	hung(t, s, questions)
	t.Run("shutting down", func(t *testing.T) {
		session(t, at)
		closing(t, s, at)
		ask(t, []question{
			{"ready", ready, at, "postgres ADDR: the database system is shutting down (57P03)"},
			{"login", login, at, "postgres ADDR: log in: the database system is shutting down (57P03)"},
		})
	})
	refused(t, s, always(questions))
}

// session logs in, and stays so until the end of the test.
func session(t *testing.T, at check.Target) {
	t.Helper()
	c, err := pgconn.Connect(t.Context(), fmt.Sprintf("postgres://ali:sesame@%s/postgres?sslmode=disable", at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It fails if the server did not wait for it.
		_ = c.Close(context.Background())
	})
}

// closing makes the server wait for its sessions to end and take no new ones.
func closing(t *testing.T, s *server, at check.Target) {
	t.Helper()
	s.send(syscall.SIGTERM)
	for began := time.Now(); probe(t, &check.Postgres{}, at, timeout).OK; {
		if s.ended(20*time.Millisecond) || time.Since(began) > timeout {
			t.Fatal("the server does not shut down as it should")
		}
	}
}
