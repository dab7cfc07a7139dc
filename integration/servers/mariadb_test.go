package servers

import (
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// mariadbConnections is the least that MariaDB lets one set, in logins.
const mariadbConnections = 10

const mariadbUsers = `
CREATE DATABASE shop;
CREATE USER ali IDENTIFIED BY 'sesame';
GRANT SELECT ON shop.* TO ali;
CREATE USER bob IDENTIFIED BY 'sesame' REQUIRE SSL;
`

func startMariaDB(t *testing.T, dir string, cert certificate, at check.Target) *server {
	t.Helper()
	data := filepath.Join(dir, "data")
	run(t, command(t, "mariadb-server-core", dir, "mariadb-install-db", "--no-defaults", "--datadir="+data,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"))
	cmd := command(t, "mariadb-server-core", dir, "mariadbd", "--no-defaults", "--datadir="+data,
		"--bind-address="+at.Address.String(), "--port="+port(at), "--socket="+filepath.Join(dir, "socket"),
		"--init-file="+file(t, dir, "users.sql", mariadbUsers), "--ssl-cert="+cert.cert, "--ssl-key="+cert.key,
		fmt.Sprint("--max-connections=", mariadbConnections), "--innodb-buffer-pool-size=16M", "--skip-name-resolve")
	return start(t, syscall.SIGTERM, cmd, &check.MySQL{}, at)
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	dir := home(t)
	at := free(t, 1)[0]
	cert, other := newCertificate(t, dir, "server", at), newCertificate(t, dir, "other", at)
	s := startMariaDB(t, dir, cert, at)

	right := file(t, t.TempDir(), "right", "sesame\n")
	wrong := file(t, t.TempDir(), "wrong", "open")
	greeting, login := &check.MySQL{}, &check.MySQL{Username: "ali", PasswordFile: right, Database: "shop"}
	overTLS := &check.MySQL{Username: "bob", PasswordFile: right, TLS: true, TLSOptions: cert.trusted()}
	ask(t, []question{
		{"greeting", greeting, at, ""},
		{"login", login, at, ""},
		{"login over TLS", overTLS, at, ""},
		{"wrong password", &check.MySQL{Username: "ali", PasswordFile: wrong}, at, "mysql ADDR: log in: Error 1045 (28000): Access denied for user 'ali'@…"},
		{"no password", &check.MySQL{Username: "ali"}, at, "mysql ADDR: log in: Error 1045 (28000): Access denied for user 'ali'@…"},
		{"no TLS", &check.MySQL{Username: "bob", PasswordFile: right}, at, "mysql ADDR: log in: Error 1045 (28000): Access denied for user 'bob'@…"},
		{"wrong database", &check.MySQL{Username: "ali", PasswordFile: right, Database: "mysql"}, at,
			"mysql ADDR: log in: Error 1044 (42000): Access denied for user 'ali'@…"},
		{"wrong authority", &check.MySQL{Username: "bob", PasswordFile: right, TLS: true, TLSOptions: other.trusted()}, at,
			"mysql ADDR: log in: " + unknownAuthority},
		{"wrong name", &check.MySQL{Username: "bob", PasswordFile: right, TLS: true, TLSOptions: cert.named("mail.example.net")}, at,
			"mysql ADDR: log in: " + otherName},
	})
	questions := []question{
		{"greeting", greeting, at, "mysql ADDR: greeting: timed out"},
		{"login", login, at, "mysql ADDR: log in: timed out"},
		{"login over TLS", overTLS, at, "mysql ADDR: log in: timed out"},
	}
	slow(t, questions)
	hung(t, s, questions)
	t.Run("full", func(t *testing.T) {
		occupy(t, at, mariadbConnections+1) // one is for an administrator
		ask(t, []question{
			{"greeting", greeting, at, `mysql ADDR: greeting: error 1040: "Too many connections"`},
			{"login", login, at, "mysql ADDR: log in: Error 1040: Too many connections"},
		})
	})
	refused(t, s, always(questions))
}

// occupy holds connections until the end of the test. The server has counted
// each that it has greeted.
func occupy(t *testing.T, at check.Target, n int) {
	t.Helper()
	for range n {
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}
