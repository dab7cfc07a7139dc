package check

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// redisServer answers AUTH and PING; a password makes it ask for one.
func redisServer(username, password string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		known := password == ""
		for {
			words, err := readRESP(r)
			switch {
			case err != nil:
				return
			case words[0] == "AUTH":
				known = strings.Join(words[1:], " ") == strings.TrimLeft(username+" "+password, " ")
				if known {
					io.WriteString(c, "+OK\r\n")
				} else {
					io.WriteString(c, "-WRONGPASS invalid username-password pair or user is disabled.\r\n")
				}
			case !known:
				io.WriteString(c, "-NOAUTH Authentication required.\r\n")
			default:
				io.WriteString(c, "+PONG\r\n")
			}
		}
	}
}

// readRESP reads an array of bulk strings.
func readRESP(r *bufio.Reader) ([]string, error) {
	var n int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
		return nil, err
	}
	words := make([]string, n)
	for i := range words {
		var length int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &length); err != nil {
			return nil, err
		}
		word := make([]byte, length+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return nil, err
		}
		words[i] = string(word[:length])
	}
	return words, nil
}

func TestRedis(t *testing.T) {
	secret := file(t, "sesame", 0o600)
	cert := newPKI(t, "127.0.0.1", 24*time.Hour)

	t.Run("ping", func(t *testing.T) { wantUp(t, &Redis{}, serve(t, redisServer("", ""))) })
	t.Run("password", func(t *testing.T) {
		wantUp(t, &Redis{PasswordFile: secret}, serve(t, redisServer("", "sesame")))
	})
	t.Run("user", func(t *testing.T) {
		wantUp(t, &Redis{Username: "ali", PasswordFile: secret}, serve(t, redisServer("ali", "sesame")))
	})
	t.Run("tls", func(t *testing.T) {
		wantUp(t, &Redis{TLS: true, TLSOptions: cert.trusted()}, serve(t, cert.over(redisServer("", ""))))
	})
	t.Run("wrong password", func(t *testing.T) {
		wantDown(t, &Redis{PasswordFile: secret}, serve(t, redisServer("", "other")),
			`redis ADDR: AUTH: answered "WRONGPASS invalid username-password pair or user is disabled"…`)
	})
	t.Run("no password", func(t *testing.T) {
		wantDown(t, &Redis{}, serve(t, redisServer("", "sesame")), `redis ADDR: PING: answered "NOAUTH Authentication required."`)
	})
	t.Run("loading", func(t *testing.T) {
		wantDown(t, &Redis{}, serve(t, say("-LOADING Redis is loading the dataset in memory\r\n")),
			`redis ADDR: PING: answered "LOADING Redis is loading the dataset in memory"`)
	})
	t.Run("wrong answer", func(t *testing.T) {
		wantDown(t, &Redis{}, serve(t, say("HTTP/1.1 400 Bad Request\r\n")),
			`redis ADDR: PING: answered "HTTP/1.1 400 Bad Request", expected "+PONG"`)
	})
	tcpFailures(t, &Redis{}, "+PONG\r\n", "redis ADDR: PING: timed out", "redis ADDR: PING: timed out")
}
