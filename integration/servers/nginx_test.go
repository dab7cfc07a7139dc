package servers

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lvsd/lvsd/pkg/health/check"
)

const nginxConfig = `
daemon off;
pid DIR/pid;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	server {
		listen PLAIN;
		location = / { return 200 "Welcome\n"; }
		location = /private { auth_basic "us"; auth_basic_user_file DIR/passwords; try_files /page.html =404; }
		location = /moved { return 302 http://www.example.com/page.html; }
		location = /secured { return 302 https://www.example.com:PORT/page.html; }
		location = /busy { return 503; }
		location = /form { if ($request_method != POST) { return 405; } return 204; }
		root DIR;
	}
	server {
		listen PLAIN;
		server_name www.example.com;
		location = / { return 200 "Test Page\n"; }
		root DIR;
	}
	ssl_certificate CERT;
	ssl_certificate_key KEY;
	server {
		listen TLS ssl;
		root DIR;
	}
	server {
		listen MUTUAL ssl;
		ssl_client_certificate CLIENT;
		ssl_verify_client on;
		root DIR;
	}
}
`

// nginx is one that runs, and what its checks need.
type nginx struct {
	*server
	plain, secure, mutual check.Target
	cert, client          certificate
}

func startNginx(t *testing.T) nginx {
	t.Helper()
	dir := home(t)
	at := free(t, 3)
	n := nginx{
		plain: at[0], secure: at[1], mutual: at[2],
		cert: newCertificate(t, dir, "server", at[0]), client: newCertificate(t, dir, "client", at[0]),
	}
	file(t, dir, "page.html", "<h1>Test Page</h1>\n")
	file(t, dir, "passwords", "ali:{PLAIN}sesame\n")
	config := file(t, dir, "nginx.conf", fill(nginxConfig, "PLAIN", n.plain.String(), "TLS", n.secure.String(), "PORT", port(n.secure), "MUTUAL", n.mutual.String(),
		"CERT", n.cert.cert, "KEY", n.cert.key, "CLIENT", n.client.cert, "DIR", dir))
	cmd := command(t, "nginx", dir, "nginx", "-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log"))
	n.server = start(t, syscall.SIGTERM, cmd, &check.TCP{}, n.mutual)
	return n
}

func TestNginx(t *testing.T) {
	t.Parallel()
	n := startNginx(t)
	page := &check.HTTP{Path: "/page.html", ExpectBody: "Test Page"}
	securePage := &check.HTTPS{HTTP: *page, TLSOptions: n.cert.trusted()}
	enough := &check.TLS{TLSOptions: n.cert.trusted(), DaysLeft: days}
	request := &check.TCP{Send: "GET /page.html HTTP/1.0\r\n\r\n", Expect: "Test Page"}

	t.Run("tcp", func(t *testing.T) { nginxTCP(t, n, request) })
	t.Run("http", func(t *testing.T) { nginxHTTP(t, n, page) })
	t.Run("https", func(t *testing.T) { nginxHTTPS(t, n, securePage) })
	t.Run("tls", func(t *testing.T) { nginxTLS(t, n, enough) })
	questions := []question{
		{"tcp", request, n.plain, `got "…", waiting for a match of "Test Page": timed out`},
		{"http", page, n.plain, "GET http://ADDR/page.html: timed out"},
		{"https", securePage, n.secure, "tls handshake with ADDR: timed out"},
		{"tls", enough, n.secure, "tls handshake with ADDR: timed out"},
	}
	slow(t, questions)
	hung(t, n.server, questions)
	questions = append(questions, question{"tcp connect", &check.TCP{}, n.plain, ""})
	refused(t, n.server, always(questions))
}

func nginxTCP(t *testing.T, n nginx, request *check.TCP) {
	ask(t, []question{
		{"connect", &check.TCP{}, n.plain, ""},
		{"request", request, n.plain, ""},
		{"wrong answer", &check.TCP{Send: "GET /nowhere HTTP/1.0\r\n\r\n", Expect: "Test Page"}, n.plain,
			`got "HTTP/1.1 404 Not Found…, expected a match of "Test Page"`},
	})
}

func nginxHTTP(t *testing.T, n nginx, page *check.HTTP) {
	private := func(password string) *check.HTTP {
		return &check.HTTP{Path: "/private", Username: "ali", PasswordFile: file(t, t.TempDir(), "password", password)}
	}
	ask(t, []question{
		{"page", page, n.plain, ""},
		{"host", &check.HTTP{Host: "www.example.com", ExpectBody: "Test Page"}, n.plain, ""},
		{"other host", &check.HTTP{Host: "mail.example.net", ExpectBody: "Test Page"}, n.plain,
			`GET http://ADDR/: status 200, body "Welcome\n", expected a match of "Test Page"`},
		{"no such page", &check.HTTP{Path: "/nowhere"}, n.plain, "GET http://ADDR/nowhere: status 404, expected 200-399"},
		{"busy", &check.HTTP{Path: "/busy"}, n.plain, "GET http://ADDR/busy: status 503, expected 200-399"},
		{"busy as expected", &check.HTTP{Path: "/busy", ExpectStatus: check.Statuses{{From: 503, To: 503}}}, n.plain, ""},
		{"HEAD", &check.HTTP{Method: "HEAD", Path: "/page.html"}, n.plain, ""},
		{"POST", &check.HTTP{Method: "POST", Path: "/form"}, n.plain, ""},
		{"login", private("sesame"), n.plain, ""},
		{"wrong password", private("open"), n.plain, "GET http://ADDR/private: status 401, expected 200-399"},
		{"redirect", &check.HTTP{Path: "/moved", ExpectBody: "Test Page"}, n.plain, `GET http://ADDR/moved: status 302, body "…, expected a match of "Test Page"`},
		{"redirect followed", &check.HTTP{Path: "/moved", FollowRedirects: true, ExpectBody: "Test Page"}, n.plain, ""},
		{"redirect to an unknown authority", &check.HTTP{Path: "/secured", FollowRedirects: true}, n.plain,
			"tls handshake with " + n.secure.String() + ": " + unknownAuthority},
		{"TLS there", page, n.secure, "GET http://ADDR/page.html: status 400, expected 200-399"},
	})
}

func nginxHTTPS(t *testing.T, n nginx, page *check.HTTPS) {
	insecure := false
	path := check.HTTP{Path: "/page.html"}
	withOwn := n.cert.trusted()
	withOwn.CertFile, withOwn.KeyFile = n.client.cert, n.client.key
	stranger := n.cert.trusted()
	stranger.CertFile, stranger.KeyFile = n.cert.cert, n.cert.key
	ask(t, []question{
		{"page", page, n.secure, ""},
		{"host", &check.HTTPS{HTTP: check.HTTP{Path: "/page.html", Host: "www.example.com"}, TLSOptions: n.cert.trusted()}, n.secure, ""},
		{"not verified", &check.HTTPS{HTTP: path, TLSOptions: check.TLSOptions{Verify: &insecure}}, n.secure, ""},
		{"own certificate", &check.HTTPS{HTTP: path, TLSOptions: withOwn}, n.mutual, ""},
		{"no certificate", &check.HTTPS{HTTP: path, TLSOptions: n.cert.trusted()}, n.mutual, "GET https://ADDR/page.html: status 400, expected 200-399"},
		{"unknown certificate", &check.HTTPS{HTTP: path, TLSOptions: stranger}, n.mutual, "GET https://ADDR/page.html: status 400, expected 200-399"},
		{"wrong body", &check.HTTPS{HTTP: check.HTTP{Path: "/page.html", ExpectBody: "Welcome"}, TLSOptions: n.cert.trusted()}, n.secure,
			`GET https://ADDR/page.html: status 200, body "<h1>Test Page</h1>\n", expected a match of "Welcome"`},
		{"wrong authority", &check.HTTPS{TLSOptions: n.client.trusted()}, n.secure, "tls handshake with ADDR: " + unknownAuthority},
		{"wrong name", &check.HTTPS{HTTP: check.HTTP{Host: "mail.example.net"}, TLSOptions: n.cert.trusted()}, n.secure, "tls handshake with ADDR: " + otherName},
		{"no TLS there", page, n.plain, "tls handshake with ADDR: tls: first record does not look like a TLS handshake"},
	})
}

func nginxTLS(t *testing.T, n nginx, enough *check.TLS) {
	ask(t, []question{
		{"days left", enough, n.secure, ""},
		{"too few days left", &check.TLS{TLSOptions: n.cert.trusted(), DaysLeft: days + 1}, n.secure, "certificate of CN=server ends …: 10 days left, expected 11"},
		{"wrong authority", &check.TLS{TLSOptions: n.client.trusted()}, n.secure, "tls handshake with ADDR: " + unknownAuthority},
		{"wrong name", &check.TLS{TLSOptions: n.cert.named("mail.example.net")}, n.secure, "tls handshake with ADDR: " + otherName},
		{"no TLS there", enough, n.plain, "tls handshake with ADDR: tls: first record does not look like a TLS handshake"},
	})
}
