package check

import (
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const zone = `
www.example.com.	60	IN	A	192.0.2.1
www.example.com.	60	IN	A	192.0.2.2
www.example.com.	60	IN	AAAA	2001:db8::1
example.com.	60	IN	MX	10 Mail.example.com.
example.com.	60	IN	TXT	"v=spf1 -all"
example.com.	60	IN	CAA	0 issue "ca.example.net"
example.com.	60	IN	TYPE65280	\# 2 abcd
`

// serveDNS answers from the zone over one protocol.
func serveDNS(t *testing.T, network string) Target {
	t.Helper()
	s := &dns.Server{Handler: dns.HandlerFunc(answerDNS(t))}
	var err error
	var target Target
	if network == "udp" {
		s.PacketConn, err = net.ListenPacket("udp", "127.0.0.1:0")
	} else {
		s.Listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	if network == "udp" {
		target = targetOf(s.PacketConn.LocalAddr())
	} else {
		target = targetOf(s.Listener.Addr())
	}
	started, served := make(chan struct{}), make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	go func() {
		defer close(served)
		s.ActivateAndServe()
	}()
	<-started
	t.Cleanup(func() {
		s.Shutdown()
		<-served
	})
	return target
}

func answerDNS(t *testing.T) func(dns.ResponseWriter, *dns.Msg) {
	t.Helper()
	var records []dns.RR
	zp := dns.NewZoneParser(strings.NewReader(zone), "", "")
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		records = append(records, rr)
	}
	if zp.Err() != nil {
		t.Fatal(zp.Err())
	}
	return func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		known := false
		for _, rr := range records {
			known = known || rr.Header().Name == query.Question[0].Name
			if rr.Header().Name == query.Question[0].Name && rr.Header().Rrtype == query.Question[0].Qtype {
				reply.Answer = append(reply.Answer, rr)
			}
		}
		if !known {
			reply.Rcode = dns.RcodeNameError
		}
		if query.Question[0].Name == "long.example.com." {
			reply.Rcode, reply.Truncated = dns.RcodeSuccess, true
		}
		w.WriteMsg(reply)
	}
}

func TestDNS(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) { testDNS(t, network) })
	}
}

func testDNS(t *testing.T, network string) {
	target := serveDNS(t, network)
	for _, tt := range []struct {
		name string
		spec DNS
		want string
	}{
		{"any address", DNS{Query: "www.example.com"}, ""},
		{"an address", DNS{Query: "www.example.com", Answer: "192.0.2.2"}, ""},
		{"IPv6", DNS{Query: "www.example.com.", Record: "aaaa", Answer: "2001:db8::1"}, ""},
		{"name", DNS{Query: "example.com", Record: "MX", Answer: "10 mail.EXAMPLE.com"}, ""},
		{"text", DNS{Query: "example.com", Record: "TXT", Answer: "v=spf1 -all"}, ""},
		{"rare type", DNS{Query: "example.com", Record: "CAA", Answer: `0 issue "ca.example.net"`}, ""},
		{"unknown type", DNS{Query: "example.com", Record: "TYPE65280", Answer: `\# 2 abcd`}, ""},
		{"wrong answer", DNS{Query: "www.example.com", Answer: "192.0.2.3"},
			"A www.example.com. at ADDR: answered 192.0.2.1, 192.0.2.2, expected 192.0.2.3"},
		{"part of an answer", DNS{Query: "www.example.com", Answer: "192.0.2"},
			"A www.example.com. at ADDR: answered 192.0.2.1, 192.0.2.2, expected 192.0.2"},
		{"no record", DNS{Query: "www.example.com", Record: "MX"}, "MX www.example.com. at ADDR: no such record in the answer"},
		{"no name", DNS{Query: "nobody.example.com"}, "A nobody.example.com. at ADDR: answered NXDOMAIN"},
		{"truncated", DNS{Query: "long.example.com"},
			`A long.example.com. at ADDR: no such record in the answer (truncated: use protocol = "tcp")`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Protocol = network
			if tt.want == "" {
				wantUp(t, &tt.spec, target)
			} else {
				wantDown(t, &tt.spec, target, tt.want)
			}
		})
	}
}

func TestDNSFailures(t *testing.T) {
	overTCP := &DNS{Query: "www.example.com", Protocol: "tcp"}
	tcpFailures(t, overTCP, "\x00\x40......", "A www.example.com. at ADDR: timed out", "A www.example.com. at ADDR: timed out")

	spec := &DNS{Query: "www.example.com"}
	t.Run("refused over UDP", func(t *testing.T) {
		wantDown(t, spec, closedUDP(t), "A www.example.com. at ADDR: connection refused")
	})
	t.Run("hung over UDP", func(t *testing.T) {
		wantTimeout(t, spec, serveUDP(t, silence), "A www.example.com. at ADDR: timed out")
	})
	t.Run("answer to another question", func(t *testing.T) {
		target := serveUDP(t, func(query []byte) []byte {
			query[0]++       // its number
			query[2] |= 0x80 // it is a response
			return query
		})
		wantTimeout(t, spec, target, "A www.example.com. at ADDR: timed out")
	})
	t.Run("code without a name", func(t *testing.T) {
		target := serveUDP(t, func(query []byte) []byte {
			query[2] |= 0x80
			query[3] = 12
			return query
		})
		wantDown(t, spec, target, "A www.example.com. at ADDR: answered RCODE12")
	})
	t.Run("not DNS", func(t *testing.T) {
		wantDown(t, spec, serveUDP(t, func([]byte) []byte { return []byte("hello") }),
			"A www.example.com. at ADDR: malformed reply: bad header question count: dns: overflow unpacking uint16")
	})
}
