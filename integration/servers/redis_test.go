package servers

import (
	"syscall"
	"testing"

	"github.com/lvsd/lvsd/pkg/health/check"
)

const redisConfig = `
bind ADDRESS
port PLAIN
tls-port TLS
tls-cert-file CERT
tls-key-file KEY
tls-ca-cert-file CERT
tls-auth-clients no
dir DIR
save ""
requirepass sesame
user ali on >sesame +ping
user bob on >sesame
`

func TestRedis(t *testing.T) {
	t.Parallel()
	dir := home(t)
	at := free(t, 2)
	plain, secure := at[0], at[1]
	cert, other := newCertificate(t, dir, "server", plain), newCertificate(t, dir, "other", plain)
	config := file(t, dir, "redis.conf", fill(redisConfig, "ADDRESS", plain.Address.String(), "PLAIN", port(plain), "TLS", port(secure),
		"CERT", cert.cert, "KEY", cert.key, "DIR", dir))
	s := start(t, syscall.SIGTERM, command(t, "redis-server", dir, "redis-server", config), &check.TCP{}, secure)

	right := file(t, t.TempDir(), "right", "sesame\n")
	wrong := file(t, t.TempDir(), "wrong", "open")
	login := &check.Redis{Username: "ali", PasswordFile: right}
	overTLS := &check.Redis{PasswordFile: right, TLS: true, TLSOptions: cert.trusted()}
	ask(t, []question{
		{"password", &check.Redis{PasswordFile: right}, plain, ""},
		{"login", login, plain, ""},
		{"login over TLS", overTLS, secure, ""},
		{"no password", &check.Redis{}, plain, `redis ADDR: PING: answered "NOAUTH Authentication required."`},
		{"wrong password", &check.Redis{PasswordFile: wrong}, plain, `redis ADDR: AUTH: answered "WRONGPASS invalid username-password pair …`},
		{"nothing allowed", &check.Redis{Username: "bob", PasswordFile: right}, plain, `redis ADDR: PING: answered "NOPERM …`},
		{"wrong authority", &check.Redis{TLS: true, TLSOptions: other.trusted()}, secure, "tls handshake with ADDR: " + unknownAuthority},
		{"wrong name", &check.Redis{TLS: true, TLSOptions: cert.named("mail.example.net")}, secure, "tls handshake with ADDR: " + otherName},
	})
	unhealthy(t, s, []question{
		{"login", login, plain, "redis ADDR: AUTH: timed out"},
		{"login over TLS", overTLS, secure, "tls handshake with ADDR: timed out"},
	})
}
