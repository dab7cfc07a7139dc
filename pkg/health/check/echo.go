package check

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// echo is an echo request and what its reply must carry. The kernel gives a
// ping socket's requests an identifier of its own, so the random data tells
// whose reply it is.
type echo struct {
	v6   bool
	body icmp.Echo
}

func newEcho(t Target) echo {
	data := make([]byte, 24)
	rand.Read(data)
	id := int(binary.NativeEndian.Uint16(data))
	return echo{v6: t.Address.Is6(), body: icmp.Echo{ID: id, Seq: 1, Data: data}}
}

func (e echo) marshal() ([]byte, error) {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &e.body}
	if e.v6 {
		m.Type = ipv6.ICMPTypeEchoRequest // the kernel fills in the checksum
	}
	return m.Marshal(nil)
}

// answeredBy tells whether a packet is the reply. A raw IPv4 socket gives the
// packet with its IP header.
func (e echo) answeredBy(packet []byte, raw bool) bool {
	protocol, reply := 1, icmp.Type(ipv4.ICMPTypeEchoReply)
	if e.v6 {
		protocol, reply = 58, ipv6.ICMPTypeEchoReply
	}
	if raw && !e.v6 {
		packet = withoutIPv4Header(packet)
	}
	m, err := icmp.ParseMessage(protocol, packet)
	if err != nil || m.Type != reply {
		return false
	}
	body, ok := m.Body.(*icmp.Echo)
	return ok && body.Seq == e.body.Seq && bytes.Equal(body.Data, e.body.Data)
}

func withoutIPv4Header(packet []byte) []byte {
	if len(packet) == 0 {
		return nil
	}
	length := int(packet[0]&0x0f) * 4 // RFC 791 section 3.1
	if length > len(packet) {
		return nil
	}
	return packet[length:]
}
