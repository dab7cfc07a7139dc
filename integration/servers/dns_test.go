package servers

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health/check"
)

func startDNS(t *testing.T) (*server, check.Target) {
	t.Helper()
	dir := home(t)
	at := free(t, 1)[0]
	cmd := command(t, "dnsmasq-base", dir, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--log-facility=-",
		"--port="+port(at), "--listen-address="+at.Address.String(), "--bind-interfaces", "--no-resolv", "--no-hosts", "--local=/example.com/",
		"--host-record=www.example.com,192.0.2.1,2001:db8::1", "--mx-host=example.com,mail.example.com,10",
		"--txt-record=example.com,v=spf1 -all", "--dns-rr=example.com,65280,abcd")
	return start(t, syscall.SIGTERM, cmd, &check.TCP{}, at), at
}

func TestDNS(t *testing.T) {
	t.Parallel()
	s, at := startDNS(t)
	for _, protocol := range []string{"udp", "tcp"} {
		t.Run(protocol, func(t *testing.T) { askDNS(t, protocol, at) })
	}
	overTCP := &check.DNS{Query: "www.example.com", Answer: "192.0.2.1", Protocol: "tcp"}
	overUDP := &check.DNS{Query: "www.example.com", Answer: "192.0.2.1"}
	tooLate := "A www.example.com. at ADDR: timed out"
	slow(t, []question{{"tcp", overTCP, at, tooLate}})
	t.Run("slow/udp", func(t *testing.T) {
		question{spec: overUDP, target: delayed(t, at, hungTimeout+pace), want: tooLate}.late(t, hungTimeout)
	})
	hung(t, s, []question{{"tcp", overTCP, at, tooLate}, {"udp", overUDP, at, tooLate}})
	refused(t, s, []question{
		{"tcp", overTCP, at, ""},
		{"udp", overUDP, at, "A www.example.com. at ADDR: connection refused"},
	})
}

func askDNS(t *testing.T, protocol string, at check.Target) {
	for _, tt := range []struct {
		name, query, record, answer string
		want                        string
	}{
		{"IPv4", "www.example.com", "", "192.0.2.1", ""},
		{"IPv6", "www.example.com", "AAAA", "2001:db8::1", ""},
		{"any", "www.example.com", "", "", ""},
		{"mail", "example.com", "MX", "10 mail.example.com", ""},
		{"text", "example.com", "TXT", "v=spf1 -all", ""},
		{"unknown type", "example.com", "TYPE65280", `\# 2 abcd`, ""},
		{"wrong address", "www.example.com", "", "192.0.2.2", "A www.example.com. at ADDR: answered 192.0.2.1, expected 192.0.2.2"},
		{"no such record", "www.example.com", "MX", "", "MX www.example.com. at ADDR: no such record in the answer"},
		{"no such name", "nobody.example.com", "", "", "A nobody.example.com. at ADDR: answered NXDOMAIN"},
		{"not its zone", "www.example.net", "", "", "A www.example.net. at ADDR: answered REFUSED"},
	} {
		q := question{tt.name, &check.DNS{Query: tt.query, Record: tt.record, Answer: tt.answer, Protocol: protocol}, at, tt.want}
		ask(t, []question{q})
	}
}

// delayed passes a question on and its answer back, after a while: a datagram
// comes whole or not at all.
func delayed(t *testing.T, to check.Target, after time.Duration) check.Target {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		passOn(t, front, back, after)
	}()
	t.Cleanup(func() {
		<-ended
		front.Close()
		back.Close()
	})
	return targetOf(front.LocalAddr())
}

func passOn(t *testing.T, front net.PacketConn, back net.Conn, after time.Duration) {
	datagram := make([]byte, 4096)
	n, client, err := front.ReadFrom(datagram)
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := back.Write(datagram[:n]); err != nil {
		t.Error(err)
		return
	}
	if n, err = back.Read(datagram); err != nil {
		t.Error(err)
		return
	}
	<-time.After(after)
	// Nobody waits any more, which the kernel may tell.
	_, _ = front.WriteTo(datagram[:n], client)
}
