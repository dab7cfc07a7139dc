package check

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// DNS asks for one name and looks at the answer section of the reply.
type DNS struct {
	Query    string `toml:"query" json:"query,omitempty"`       // the name to ask for
	Record   string `toml:"record" json:"record,omitempty"`     // any type, as "AAAA" or "TYPE65"; default "A"
	Answer   string `toml:"answer" json:"answer,omitempty"`     // the data of one record as zone files write it, as "10 mail.example.com."; default: any record of the type
	Protocol string `toml:"protocol" json:"protocol,omitempty"` // "udp" (the default) or "tcp"
}

// Kind is "dns".
func (*DNS) Kind() string { return "dns" }

type dnsProbe struct {
	question dns.Question
	record   string
	answer   string
	network  string
}

func (s *DNS) compile(b *builder) probe {
	p := dnsProbe{record: strings.ToUpper(s.Record), answer: s.Answer, network: s.Protocol}
	if p.record == "" {
		p.record = "A"
	}
	if p.network == "" {
		p.network = "udp"
	}
	if s.Query == "" {
		b.fail("query", "is missing")
	} else if _, ok := dns.IsDomainName(s.Query); !ok {
		b.fail("query", "%q is not a domain name", s.Query)
	}
	if !slices.Contains([]string{"udp", "tcp"}, p.network) {
		b.fail("protocol", "%q: expected udp or tcp", s.Protocol)
	}
	qtype, ok := recordType(p.record)
	if !ok {
		b.fail("record", "%q is not a record type such as A, MX or TYPE65", s.Record)
	}
	p.question = dns.Question{Name: dns.Fqdn(s.Query), Qtype: qtype, Qclass: dns.ClassINET}
	return simple(p.run)
}

// recordType reads a mnemonic or RFC 3597's TYPEn.
func recordType(word string) (uint16, bool) {
	if t, ok := dns.StringToType[word]; ok {
		return t, true
	}
	var t uint16
	_, err := fmt.Sscanf(word, "TYPE%d", &t)
	return t, err == nil && t != 0
}

func (p dnsProbe) run(ctx context.Context, t Target) error {
	conn, err := dial(ctx, p.network, t, 2+dns.MaxMsgSize) // over TCP the length comes first
	if err != nil {
		return err
	}
	defer conn.Close()
	reply, err := p.ask(conn)
	if err == nil {
		err = p.judge(reply)
	}
	if err != nil {
		return fmt.Errorf("%s %s at %s: %w", p.record, p.question.Name, t.addrPort(), err)
	}
	return nil
}

// ask reads on while replies are to other questions: they are not ours.
func (p dnsProbe) ask(conn net.Conn) (*dns.Msg, error) {
	query := &dns.Msg{
		MsgHdr:   dns.MsgHdr{Id: dns.Id(), RecursionDesired: true},
		Question: []dns.Question{p.question},
	}
	query.SetEdns0(1232, false) // no fragments, DNS Flag Day 2020
	packed, err := query.Pack()
	if err != nil {
		return nil, err
	}
	if p.network == "tcp" {
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	}
	if _, err := conn.Write(packed); err != nil {
		return nil, cause(err)
	}
	for {
		packed, err := p.read(conn)
		if err != nil {
			return nil, cause(err)
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(packed); err != nil {
			return nil, fmt.Errorf("malformed reply: %w", err)
		}
		if reply.Id == query.Id && reply.Response {
			return reply, nil
		}
	}
}

// read reads one message: a datagram, or what a length announces (RFC 1035
// section 4.2.2).
func (p dnsProbe) read(conn net.Conn) ([]byte, error) {
	if p.network == "udp" {
		packed := make([]byte, dns.MaxMsgSize)
		n, err := conn.Read(packed)
		return packed[:n], err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	packed := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, packed)
	return packed, err
}

func (p dnsProbe) judge(reply *dns.Msg) error {
	if reply.Rcode != dns.RcodeSuccess {
		return fmt.Errorf("answered %s", rcode(reply.Rcode))
	}
	var got []string
	for _, rr := range reply.Answer {
		if rr.Header().Rrtype != p.question.Qtype && p.question.Qtype != dns.TypeANY {
			continue
		}
		data := recordData(rr)
		if p.answer == "" || sameData(data, p.answer) {
			return nil
		}
		got = append(got, data)
	}
	return p.missing(got, reply.Truncated)
}

// rcode is a response code as it is registered, or its number.
func rcode(code int) string {
	if name := dns.RcodeToString[code]; name != "" {
		return name
	}
	return fmt.Sprintf("RCODE%d", code)
}

func (p dnsProbe) missing(got []string, truncated bool) error {
	what := "no such record in the answer"
	if len(got) > 0 {
		what = fmt.Sprintf("answered %s, expected %s", strings.Join(got, ", "), p.answer)
	}
	if truncated {
		what += " (truncated: use protocol = \"tcp\")"
	}
	return fmt.Errorf("%s", what)
}

// recordData is what a zone file has after name, TTL, class and type.
func recordData(rr dns.RR) string {
	fields := strings.SplitN(rr.String(), "\t", 5)
	return fields[len(fields)-1]
}

// sameData compares names without regard to case and the last dot, and texts
// without regard to their quotes.
func sameData(got, want string) bool {
	return strings.EqualFold(plainData(got), plainData(want))
}

func plainData(s string) string {
	return strings.TrimSuffix(strings.Trim(s, `"`), ".")
}
