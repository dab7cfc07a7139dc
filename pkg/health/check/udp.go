package check

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"regexp"
)

// UDP sends one datagram. With an expectation, a reply must meet it. Without
// one, any reply will do, and so does silence up to the deadline: only ICMP
// unreachable tells that nobody listens.
type UDP struct {
	Payload    string `toml:"payload" json:"payload,omitempty"`
	PayloadHex string `toml:"payload_hex" json:"payload_hex,omitempty"` // instead of payload
	Expect     string `toml:"expect" json:"expect,omitempty"`           // regular expression
	ExpectHex  string `toml:"expect_hex" json:"expect_hex,omitempty"`   // first bytes of the reply
}

// Kind is "udp".
func (*UDP) Kind() string { return "udp" }

type udpProbe struct {
	payload []byte
	expect  *regexp.Regexp
	prefix  []byte
}

func (s *UDP) compile(b *builder) probe {
	p := udpProbe{payload: []byte(s.Payload), expect: b.regexp("expect", s.Expect)}
	if s.PayloadHex != "" {
		p.payload = b.hex("payload_hex", s.PayloadHex)
		if s.Payload != "" {
			b.fail("payload_hex", "excludes payload")
		}
	}
	if s.ExpectHex != "" {
		p.prefix = b.hex("expect_hex", s.ExpectHex)
	}
	return simple(p.run)
}

func (b *builder) hex(field, digits string) []byte {
	raw, err := hex.DecodeString(digits)
	if err != nil {
		b.fail(field, "%v", err)
	}
	return raw
}

func (p udpProbe) run(ctx context.Context, t Target) error {
	conn, err := dial(ctx, "udp", t, maxAnswer)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(p.payload); err != nil {
		return fmt.Errorf("send to %s: %w", t.addrPort(), cause(err))
	}
	return p.await(conn, t)
}

// await reads one reply. A datagram that a server sends late for an earlier
// check goes to that check's own port.
func (p udpProbe) await(conn net.Conn, t Target) error {
	reply := make([]byte, maxAnswer)
	n, err := conn.Read(reply)
	if err != nil {
		err = cause(err)
		if errors.Is(err, errTimeout) && p.expect == nil && p.prefix == nil {
			return nil
		}
		return fmt.Errorf("reply of %s: %w", t.addrPort(), err)
	}
	reply = reply[:n]
	if p.expect != nil && !p.expect.Match(reply) {
		return fmt.Errorf("reply %s, expected a match of %q", quote(reply), p.expect)
	}
	if !bytes.HasPrefix(reply, p.prefix) {
		return fmt.Errorf("reply %s, expected it to begin with %x", quote(reply), p.prefix)
	}
	return nil
}
