package lvs

import (
	"fmt"
	"strings"
)

// Forwarding is the way in which packets travel from director to real server.
type Forwarding uint8

// The forwarding methods; their values are the kernel's
// (IP_VS_CONN_F_*, include/uapi/linux/ip_vs.h).
const (
	NAT   Forwarding = 0 // rewrite addresses, answers pass the director
	Local Forwarding = 1 // only read: the kernel's own word for a destination on the director itself
	TUN   Forwarding = 2 // encapsulate, see Tunnel
	DR    Forwarding = 3 // rewrite the link-layer address only
)

// ForwardingWords lists the words that ParseForwarding accepts.
var ForwardingWords = []string{"nat", "dr", "tun"}

// ParseForwarding reads one of ForwardingWords.
func ParseForwarding(s string) (Forwarding, error) {
	switch s {
	case "nat":
		return NAT, nil
	case "dr":
		return DR, nil
	case "tun":
		return TUN, nil
	}
	return 0, fmt.Errorf("unknown forwarding method %q: expected one of %s", s, strings.Join(ForwardingWords, ", "))
}

func (f Forwarding) String() string {
	switch f {
	case NAT:
		return "nat"
	case Local:
		return "local"
	case TUN:
		return "tun"
	case DR:
		return "dr"
	}
	return fmt.Sprintf("forwarding(%d)", uint8(f))
}

// TunnelType is the encapsulation of a tunnelled real server; the values are
// the kernel's (IP_VS_CONN_F_TUNNEL_TYPE_*).
type TunnelType uint8

// The encapsulations.
const (
	IPIP TunnelType = 0 // IP in IP: RFC 2003, RFC 2473
	GUE  TunnelType = 1 // generic UDP encapsulation, Linux 5.3 and later
	GRE  TunnelType = 2 // generic routing encapsulation: RFC 2784, Linux 5.3 and later
)

// TunnelTypes lists the words that ParseTunnelType accepts.
var TunnelTypes = []string{"ipip", "gue", "gre"}

// ParseTunnelType reads one of TunnelTypes.
func ParseTunnelType(s string) (TunnelType, error) {
	switch s {
	case "ipip":
		return IPIP, nil
	case "gue":
		return GUE, nil
	case "gre":
		return GRE, nil
	}
	return 0, fmt.Errorf("unknown tunnel type %q: expected one of %s", s, strings.Join(TunnelTypes, ", "))
}

func (t TunnelType) String() string {
	switch t {
	case IPIP:
		return "ipip"
	case GUE:
		return "gue"
	case GRE:
		return "gre"
	}
	return fmt.Sprintf("tunnel(%d)", uint8(t))
}

// Checksum is the checksum option of a gue or gre tunnel; the values are the
// kernel's (IP_VS_TUNNEL_ENCAP_FLAG_*).
type Checksum uint8

// The checksum options.
const (
	NoChecksum     Checksum = 0
	WithChecksum   Checksum = 1
	RemoteChecksum Checksum = 2 // gue only: remote checksum offload
)

// Checksums lists the words that ParseChecksum accepts.
var Checksums = []string{"none", "checksum", "remote"}

// ParseChecksum reads one of Checksums.
func ParseChecksum(s string) (Checksum, error) {
	switch s {
	case "none":
		return NoChecksum, nil
	case "checksum":
		return WithChecksum, nil
	case "remote":
		return RemoteChecksum, nil
	}
	return 0, fmt.Errorf("unknown checksum option %q: expected one of %s", s, strings.Join(Checksums, ", "))
}

func (c Checksum) String() string {
	switch c {
	case NoChecksum:
		return "none"
	case WithChecksum:
		return "checksum"
	case RemoteChecksum:
		return "remote"
	}
	return fmt.Sprintf("checksum(%d)", uint8(c))
}

// Tunnel is the encapsulation of a real server with forwarding TUN. It is zero
// with every other method.
type Tunnel struct {
	Type     TunnelType
	Port     uint16 // gue: destination UDP port
	Checksum Checksum
}

func (t Tunnel) String() string {
	s := t.Type.String()
	if t.Port != 0 {
		s += fmt.Sprintf(" port %d", t.Port)
	}
	if t.Checksum != NoChecksum {
		s += " checksum " + t.Checksum.String()
	}
	return s
}
