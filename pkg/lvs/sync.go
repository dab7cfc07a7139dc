package lvs

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
)

// SyncRole is the part of a sync daemon of the kernel (IP_VS_STATE_MASTER and
// _BACKUP). Each is at most once in a network namespace; both may run.
type SyncRole uint8

// The roles.
const (
	SyncMaster SyncRole = 1 // sends connections
	SyncBackup SyncRole = 2 // receives them
)

func (r SyncRole) String() string {
	switch r {
	case SyncMaster:
		return "master"
	case SyncBackup:
		return "backup"
	}
	return fmt.Sprintf("sync role(%d)", uint8(r))
}

// MarshalText writes the role as String does.
func (r SyncRole) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *SyncRole) UnmarshalText(text []byte) error {
	switch string(text) {
	case "master":
		*r = SyncMaster
	case "backup":
		*r = SyncBackup
	default:
		return fmt.Errorf("unknown sync role %q: expected master or backup", text)
	}
	return nil
}

// SyncDaemon is a thread of the kernel that sends connections to other
// directors, or receives them. Zero fields are as the kernel chooses.
type SyncDaemon struct {
	Role      SyncRole
	Interface string
	ID        uint8      // a master's is in its messages; a backup takes only its own, 0 takes all
	MaxLen    uint16     // of a message in bytes; 0: what fits the interface
	Group     netip.Addr // multicast; zero: 224.0.0.81
	Port      uint16     // UDP; 0: 8848
	TTL       uint8      // 0: 1
}

// The kernel's choices (DEFAULT_SYNC_*, net/netfilter/ipvs/ip_vs_sync.c).
var (
	SyncGroup = netip.AddrFrom4([4]byte{224, 0, 0, 81})
	SyncPort  = uint16(8848)
)

// Target is where the messages go.
func (d SyncDaemon) Target() netip.AddrPort {
	group, port := d.Group, d.Port
	if !group.IsValid() {
		group = SyncGroup
	}
	if port == 0 {
		port = SyncPort
	}
	return netip.AddrPortFrom(group, port)
}

// Same tells whether the daemon that the kernel has is the one that is wanted.
func (d SyncDaemon) Same(have SyncDaemon) bool {
	return d.Role == have.Role && d.Interface == have.Interface && d.ID == have.ID && d.Target() == have.Target() &&
		(d.MaxLen == 0 || d.maxLen() == have.MaxLen) && (d.TTL == have.TTL || d.TTL == 0 && have.TTL <= 1)
}

// maxLen is what the kernel makes of MaxLen: a backup takes messages of 1024 bytes
// in any case, and none is longer than fits into UDP (start_sync_thread,
// net/netfilter/ipvs/ip_vs_sync.c).
func (d SyncDaemon) maxLen() uint16 {
	least, headers := uint16(1), uint16(20+8)
	if d.Role == SyncBackup {
		least = 1024
	}
	if d.Target().Addr().Is6() {
		headers = 40 + 8
	}
	return min(max(d.MaxLen, least), math.MaxUint16-headers)
}

func (d SyncDaemon) String() string {
	words := []string{fmt.Sprintf("%s sync daemon %d on %s to %s", d.Role, d.ID, d.Interface, d.Target())}
	if d.MaxLen != 0 {
		words = append(words, fmt.Sprintf("maxlen %d", d.MaxLen))
	}
	if d.TTL > 1 {
		words = append(words, fmt.Sprintf("ttl %d", d.TTL))
	}
	return strings.Join(words, " ")
}

// SyncChain begins the names of lvsd's own chains in the table filter, in which
// sync messages and questions that come from nobody known are dropped.
const SyncChain = ChainPrefix + "SYNC"

// SyncRules let in what the peers send and nobody else: messages to so many ports
// of the group, which the kernel believes whoever sends them, and questions to a TCP
// port, if it is not 0. The peers are asked for one after the other, each in a chain
// of its own, so that the order of rules does not matter.
func SyncRules(device string, to netip.AddrPort, ports int, tcp uint16, peers []netip.Addr) []Rule {
	if len(peers) == 0 {
		return nil
	}
	chain := func(i int) string { return fmt.Sprintf("%s%d", SyncChain, i+1) }
	var rules []Rule
	add := func(in, format string, args ...any) {
		rules = append(rules, Rule{Family: FamilyOf(to.Addr()), Table: "filter", Chain: in, Spec: fmt.Sprintf(format, args...)})
	}
	last := ""
	if ports > 1 {
		last = fmt.Sprintf(":%d", int(to.Port())+ports-1)
	}
	add("INPUT", "-d %s/%d -i %s -p udp -m udp --dport %d%s -j %s", to.Addr(), to.Addr().BitLen(), device, to.Port(), last, chain(0))
	if tcp != 0 {
		add("INPUT", "-i %s -p tcp -m tcp --dport %d -j %s", device, tcp, chain(0))
	}
	for i, p := range peers {
		next := "DROP"
		if i < len(peers)-1 {
			next = chain(i + 1)
		}
		add(chain(i), "! -s %s/%d -j %s", p, p.BitLen(), next)
	}
	return rules
}
