// Package lvs is the vocabulary of Linux Virtual Server: the keys and settings
// of virtual services and real servers, and of every other kernel thing that a
// director owns. It holds plain comparable values, does no I/O and imports
// nothing of the project.
package lvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
)

// Family is an address family.
type Family uint8

// The families, by their IP version.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// FamilyOf tells the family of an address; an IPv4-mapped address counts as IPv6.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return fmt.Sprintf("family(%d)", uint8(f))
}

// Bits is the length of the family's addresses.
func (f Family) Bits() int {
	if f == IPv4 {
		return 32
	}
	return 128
}

// Protocol is a transport protocol, by its IP protocol number.
type Protocol uint8

// The protocols that IPVS balances.
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

// Protocols lists the words that ParseProtocol accepts.
var Protocols = []string{"tcp", "udp", "sctp"}

// ParseProtocol reads one of Protocols.
func ParseProtocol(s string) (Protocol, error) {
	switch s {
	case "tcp":
		return TCP, nil
	case "udp":
		return UDP, nil
	case "sctp":
		return SCTP, nil
	}
	return 0, fmt.Errorf("unknown protocol %q: expected one of %s", s, strings.Join(Protocols, ", "))
}

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	}
	return fmt.Sprintf("protocol(%d)", uint8(p))
}

// ServiceKey identifies a virtual service in the kernel: by protocol, address
// and port, or by firewall mark and family (include/uapi/linux/ip_vs.h).
type ServiceKey struct {
	Protocol Protocol       // zero with a mark
	VIP      netip.AddrPort // zero with a mark
	Mark     uint32         // zero with an address
	MarkOf   Family         // family of a mark's packets; zero with an address
}

// AddrKey is the key of a virtual service with an address.
func AddrKey(p Protocol, vip netip.AddrPort) ServiceKey {
	return ServiceKey{Protocol: p, VIP: vip}
}

// MarkKey is the key of a virtual service for a firewall mark.
func MarkKey(mark uint32, f Family) ServiceKey {
	return ServiceKey{Mark: mark, MarkOf: f}
}

// Family is the family of the clients' packets.
func (k ServiceKey) Family() Family {
	if k.Mark != 0 {
		return k.MarkOf
	}
	return FamilyOf(k.VIP.Addr())
}

// String is the name in errors, logs and plans: "tcp 192.0.2.1:80" or
// "fwmark 1 ipv4".
func (k ServiceKey) String() string {
	if k.Mark != 0 {
		return fmt.Sprintf("fwmark %d %s", k.Mark, k.MarkOf)
	}
	return fmt.Sprintf("%s %s", k.Protocol, k.VIP)
}

// Compare orders keys: addresses before marks, then by address, port and
// protocol, or by mark and family.
func (k ServiceKey) Compare(o ServiceKey) int {
	return cmp.Or(
		cmp.Compare(k.Mark, o.Mark),
		cmp.Compare(k.MarkOf, o.MarkOf),
		k.VIP.Compare(o.VIP),
		cmp.Compare(k.Protocol, o.Protocol),
	)
}

// MarshalText writes the key as String does.
func (k ServiceKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *ServiceKey) UnmarshalText(text []byte) error {
	parsed, err := ParseServiceKey(string(text))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}

// ParseServiceKey reads a key as String writes it.
func ParseServiceKey(s string) (ServiceKey, error) {
	if rest, ok := strings.CutPrefix(s, "fwmark "); ok {
		return parseMarkKey(rest)
	}
	word, addr, ok := strings.Cut(s, " ")
	if !ok {
		return ServiceKey{}, fmt.Errorf("parse service key %q: expected \"tcp ADDRESS:PORT\" or \"fwmark MARK ipv4\"", s)
	}
	p, err := ParseProtocol(word)
	if err != nil {
		return ServiceKey{}, fmt.Errorf("parse service key %q: %w", s, err)
	}
	vip, err := netip.ParseAddrPort(addr)
	if err != nil {
		return ServiceKey{}, fmt.Errorf("parse service key %q: %w", s, err)
	}
	return AddrKey(p, vip), nil
}

func parseMarkKey(s string) (ServiceKey, error) {
	var mark uint32
	var family string
	if _, err := fmt.Sscanf(s, "%d %s", &mark, &family); err != nil || mark == 0 {
		return ServiceKey{}, fmt.Errorf("parse service key \"fwmark %s\": expected \"fwmark MARK ipv4\"", s)
	}
	switch family {
	case "ipv4":
		return MarkKey(mark, IPv4), nil
	case "ipv6":
		return MarkKey(mark, IPv6), nil
	}
	return ServiceKey{}, fmt.Errorf("parse service key \"fwmark %s\": unknown family %q: expected ipv4 or ipv6", s, family)
}
