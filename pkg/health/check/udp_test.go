package check

import (
	"net"
	"testing"
)

// serveUDP answers each datagram until the end of the test; nil is silence.
func serveUDP(t *testing.T, answer func([]byte) []byte) Target {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := answer(buf[:n]); reply != nil {
				conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return targetOf(conn.LocalAddr())
}

func closedUDP(t *testing.T) Target {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return targetOf(conn.LocalAddr())
}

func silence([]byte) []byte { return nil }

func TestUDP(t *testing.T) {
	echo := serveUDP(t, func(b []byte) []byte { return b })
	silent := serveUDP(t, silence)

	t.Run("expected", func(t *testing.T) { wantUp(t, &UDP{Payload: "ping", Expect: "^ping$"}, echo) })
	t.Run("expected bytes", func(t *testing.T) { wantUp(t, &UDP{PayloadHex: "ff0001", ExpectHex: "ff00"}, echo) })
	t.Run("any reply", func(t *testing.T) { wantUp(t, &UDP{Payload: "ping"}, echo) })
	t.Run("wrong", func(t *testing.T) {
		wantDown(t, &UDP{Payload: "ping", Expect: "pong"}, echo, `reply "ping", expected a match of "pong"`)
	})
	t.Run("wrong bytes", func(t *testing.T) {
		wantDown(t, &UDP{Payload: "ping", ExpectHex: "ff"}, echo, `reply "ping", expected it to begin with ff`)
	})
	t.Run("refused", func(t *testing.T) {
		wantDown(t, &UDP{Payload: "ping"}, closedUDP(t), "reply of ADDR: connection refused")
	})
	t.Run("hung", func(t *testing.T) {
		wantTimeout(t, &UDP{Payload: "ping", Expect: "pong"}, silent, "reply of ADDR: timed out")
	})
	t.Run("silence is enough", func(t *testing.T) {
		if r := run(t, &UDP{Payload: "ping"}, silent, shortTimeout); !r.OK {
			t.Errorf("got %q, want OK", r.Error)
		}
	})
}
