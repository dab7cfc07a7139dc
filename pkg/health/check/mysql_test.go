package check

import (
	"bytes"
	"crypto/sha1"
	"io"
	"net"
	"testing"
)

const scramble = "12345678901234567890"

// mysqlServer speaks protocol 10 with mysql_native_password to one user.
func mysqlServer(username, password string) func(net.Conn) {
	return func(c net.Conn) {
		mysqlWrite(c, 0, mysqlHandshake())
		login, err := mysqlRead(c)
		if err != nil {
			return
		}
		if !bytes.Contains(login, append([]byte(username+"\x00\x14"), nativePassword(password)...)) {
			mysqlWrite(c, 2, "\xff\x15\x04#28000Access denied for user")
			return
		}
		mysqlWrite(c, 2, "\x00\x00\x00\x02\x00\x00\x00")
		for {
			command, err := mysqlRead(c)
			if err != nil || command[0] == 1 { // COM_QUIT
				return
			}
			mysqlWrite(c, 1, "\x00\x00\x00\x02\x00\x00\x00")
		}
	}
}

func mysqlHandshake() string {
	return "\x0a8.0.36\x00" + "\x01\x00\x00\x00" + scramble[:8] + "\x00" +
		"\x0d\xa2" + // capabilities, low half: protocol 4.1, secure connection
		"\x21\x02\x00" + "\x08\x00" + // character set, status; high half: plugin auth
		"\x15" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + scramble[8:] + "\x00" + "mysql_native_password\x00"
}

func mysqlWrite(w io.Writer, sequence byte, packet string) {
	io.WriteString(w, string([]byte{byte(len(packet)), 0, 0, sequence})+packet)
}

func mysqlRead(r io.Reader) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, int(header[0])|int(header[1])<<8)
	_, err := io.ReadFull(r, packet)
	return packet, err
}

// nativePassword is SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))).
func nativePassword(password string) []byte {
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	mask := sha1.Sum(append([]byte(scramble), twice[:]...))
	for i := range once {
		once[i] ^= mask[i]
	}
	return once[:]
}

func TestMySQL(t *testing.T) {
	target := serve(t, mysqlServer("ali", "sesame"))
	secret := file(t, "sesame\n", 0o600)

	t.Run("login", func(t *testing.T) { wantUp(t, &MySQL{Username: "ali", PasswordFile: secret}, target) })
	t.Run("greeting", func(t *testing.T) { wantUp(t, &MySQL{}, target) })
	t.Run("wrong password", func(t *testing.T) {
		wantDown(t, &MySQL{Username: "ali", PasswordFile: file(t, "open", 0o600)}, target,
			"mysql ADDR: log in: Error 1045 (28000): Access denied for user")
	})
	t.Run("too many connections", func(t *testing.T) {
		full := serve(t, func(c net.Conn) { mysqlWrite(c, 0, "\xff\x10\x04Too many connections") })
		wantDown(t, &MySQL{}, full, `mysql ADDR: greeting: error 1040: "Too many connections"`)
		wantDown(t, &MySQL{Username: "ali"}, full, "mysql ADDR: log in: Error 1040: Too many connections")
	})
	t.Run("hangs after the greeting", func(t *testing.T) {
		silent := serve(t, func(c net.Conn) {
			mysqlWrite(c, 0, mysqlHandshake())
			hang(c)
		})
		wantTimeout(t, &MySQL{Username: "ali"}, silent, "mysql ADDR: log in: timed out")
	})
	t.Run("no TLS offered", func(t *testing.T) {
		wantDown(t, &MySQL{Username: "ali", TLS: true}, target, "mysql ADDR: log in: TLS requested but server does not support TLS")
	})
}

func TestMySQLGreetingFailures(t *testing.T) {
	tcpFailures(t, &MySQL{}, "\x40\x00\x00\x00"+mysqlHandshake(), "mysql ADDR: greeting: timed out", "mysql ADDR: greeting: timed out")
	t.Run("not MySQL", func(t *testing.T) {
		wantDown(t, &MySQL{}, serve(t, say("SSH-2.0-OpenSSH_9.2\r\n")), `mysql ADDR: greeting: "SSH-" is not MySQL`)
	})
	t.Run("old protocol", func(t *testing.T) {
		wantDown(t, &MySQL{}, serve(t, say("\x04\x00\x00\x00\x093.2")), `mysql ADDR: greeting: "\t3.2" is not MySQL`)
	})
}

func TestMySQLLoginFailures(t *testing.T) {
	tcpFailures(t, &MySQL{Username: "ali"}, "\x40\x00\x00\x00"+mysqlHandshake(),
		"mysql ADDR: log in: timed out", "mysql ADDR: log in: timed out")
}
