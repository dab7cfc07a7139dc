package lvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Guard is what a guard holds: a program at the receiving end of interfaces
// that looks at the packets to VIPs, drops what never should reach IPVS, and
// counts. Packets to anything else pass.
type Guard struct {
	Interfaces map[string]GuardLink // those it is attached to, by name
	VIPs       map[netip.Addr]GuardVIP
	Allow      PrefixSet // sources that always pass
	Block      PrefixSet // sources that are dropped; Allow wins
	GuardSettings
}

// GuardSettings are the settings of the guard as a whole.
type GuardSettings struct {
	Enforce bool   // false: count what would be dropped, and pass it
	Sample  uint32 // dropped packets per second whose heads are kept; 0 is none
}

func (s GuardSettings) String() string {
	if !s.Enforce {
		return fmt.Sprintf("count only, %d samples/s", s.Sample)
	}
	return fmt.Sprintf("enforce, %d samples/s", s.Sample)
}

// GuardMode is where in an interface's receiving path the guard is.
type GuardMode uint8

// The modes. A guard that is attached is in the driver or generic.
const (
	GuardAuto    GuardMode = iota // in the driver if that can do it, else generic
	GuardDriver                   // before the kernel has made a socket buffer of the packet
	GuardGeneric                  // after; works on every interface
)

// GuardModes lists the words that ParseGuardMode accepts.
var GuardModes = []string{"auto", "driver", "generic"}

// ParseGuardMode reads one of GuardModes.
func ParseGuardMode(s string) (GuardMode, error) {
	for i, word := range GuardModes {
		if s == word {
			return GuardMode(i), nil
		}
	}
	return 0, fmt.Errorf("unknown mode %q: expected one of %s", s, strings.Join(GuardModes, ", "))
}

func (m GuardMode) String() string {
	if int(m) < len(GuardModes) {
		return GuardModes[m]
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// GuardLink is the guard on one interface.
type GuardLink struct {
	Mode     GuardMode
	Outdated bool // only read: the program is that of another version of lvsd
}

// Same tells whether a link is as it is wanted: any mode is, if it may be.
func (l GuardLink) Same(want GuardLink) bool {
	return l.Outdated == want.Outdated && (want.Mode == GuardAuto || l.Mode == want.Mode)
}

// GuardPort is a destination of a VIP that is open.
type GuardPort struct {
	Protocol Protocol // 0: every protocol; then Port is 0 too
	Port     uint16   // 0: every port
}

// String is "tcp 80", "udp every port" or "everything".
func (p GuardPort) String() string {
	switch {
	case p == GuardPort{}:
		return "everything"
	case p.Port == 0:
		return p.Protocol.String() + " every port"
	}
	return fmt.Sprintf("%s %d", p.Protocol, p.Port)
}

// Compare orders ports by protocol and number.
func (p GuardPort) Compare(o GuardPort) int {
	return cmp.Or(cmp.Compare(p.Protocol, o.Protocol), cmp.Compare(p.Port, o.Port))
}

// GuardVIP is one VIP under guard. A packet belongs to the port of Ports that
// fits it best, and its limits are that one's. Limits are those of what has no
// port: fragments but the first, ICMP, protocols that IPVS does not balance.
// Nothing shares a bucket with anything else.
type GuardVIP struct {
	Shared bool // the host opens connections from this address itself, or masquerades others as it: their answers pass
	Limits GuardLimits
	Ports  map[GuardPort]GuardLimits
}

// GuardLimits bound what comes in a second. A zero Rate is no limit. A source
// is an IPv4 address, or an IPv6 /64: whoever has one of those addresses has
// them all.
type GuardLimits struct {
	SourceSYNs    Rate // of one source; a SYN is a TCP packet with SYN and without ACK
	SourcePackets Rate // of one source
	SYNs          Rate // of all sources together
	Packets       Rate // of all sources together
	Fragments     Rate // of all sources together
}

// Rate is a token bucket.
type Rate struct {
	PerSecond uint32
	Burst     uint32 // how many may come at once; at least one may
}

func (r Rate) String() string {
	if r.PerSecond == 0 {
		return "no limit"
	}
	return fmt.Sprintf("%d/s burst %d", r.PerSecond, r.Burst)
}

// GuardList is one of the lists of sources.
type GuardList uint8

// The lists.
const (
	AllowList GuardList = iota
	BlockList
)

func (l GuardList) String() string {
	if l == AllowList {
		return "allow list"
	}
	return "block list"
}

// GuardChange is one change of the guard: a GuardAttach, GuardSet, GuardVIPChange or
// GuardPrefixes.
type GuardChange interface {
	fmt.Stringer
	guardChange()
}

// GuardAttach attaches the guard to an interface (Add), exchanges its program
// or mode there without a gap where the kernel can (Set), or detaches it.
type GuardAttach struct {
	Verb      Verb
	Interface string
	Link      GuardLink
}

func (c GuardAttach) String() string {
	switch {
	case c.Verb == Add:
		return fmt.Sprintf("attach guard to %s (mode %s)", c.Interface, c.Link.Mode)
	case c.Verb == Set:
		return fmt.Sprintf("replace guard on %s (mode %s)", c.Interface, c.Link.Mode)
	}
	return "detach guard from " + c.Interface
}

// GuardSet changes the settings of the guard as a whole.
type GuardSet struct{ Settings GuardSettings }

func (c GuardSet) String() string { return fmt.Sprintf("set guard (%s)", c.Settings) }

// GuardVIPChange puts a VIP under guard (Add), changes its ports and limits in
// place (Set), or lets its packets pass (Delete).
type GuardVIPChange struct {
	Verb Verb
	Addr netip.Addr
	VIP  GuardVIP
}

func (c GuardVIPChange) String() string {
	if c.Verb == Delete {
		return fmt.Sprintf("delete guard of %s", c.Addr)
	}
	return fmt.Sprintf("%s guard of %s (%d ports)", c.Verb, c.Addr, len(c.VIP.Ports))
}

// GuardPrefixes makes a list hold this set.
type GuardPrefixes struct {
	List     GuardList
	Prefixes PrefixSet
}

func (c GuardPrefixes) String() string { return fmt.Sprintf("set guard's %s (%s)", c.List, c.Prefixes) }

func (GuardAttach) guardChange()    {}
func (GuardSet) guardChange()       {}
func (GuardVIPChange) guardChange() {}
func (GuardPrefixes) guardChange()  {}

// GuardReason is the rule that decided over a packet.
type GuardReason uint8

// The reasons; bpf/guard.h has the same numbers. Those up to GuardNeighbour let
// a packet pass, the others are for dropping it.
const (
	GuardPassed        GuardReason = iota // to an open port and within all limits
	GuardAllowed                          // the source is on the allow list
	GuardNeighbour                        // neighbour discovery from the VIP's own link
	GuardBlocked                          // the source is on the block list
	GuardBadHeader                        // a length or field that can never be valid
	GuardBadFlags                         // TCP flags that no stack sends together
	GuardBadSource                        // a VIP, multicast, broadcast, loopback, or none
	GuardBadPort                          // port 0
	GuardBadFragment                      // cut in the middle of the transport header
	GuardStrayError                       // an ICMP error about a packet that the VIP did not send
	GuardUndeclared                       // no service at this port
	GuardSourceSYNs                       // over the limit
	GuardSourcePackets                    // over the limit
	GuardSYNs                             // over the limit
	GuardPackets                          // over the limit
	GuardFragments                        // over the limit

	GuardReasons // how many there are

	GuardNotVIP GuardReason = 255 // only of a test: not to a VIP, so nothing is counted
)

var guardReasons = [GuardReasons]string{
	"within limits", "allow list", "neighbour discovery",
	"block list", "invalid header", "invalid flags", "invalid source", "port 0", "invalid fragment", "stray ICMP error",
	"no such port", "SYNs of one source", "packets of one source", "SYNs", "packets", "fragments",
}

func (r GuardReason) String() string {
	switch {
	case r < GuardReasons:
		return guardReasons[r]
	case r == GuardNotVIP:
		return "not to a VIP"
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Drops tells whether a packet of this reason is dropped if the guard enforces.
func (r GuardReason) Drops() bool { return r > GuardNeighbour && r < GuardReasons }

// MarshalText writes the reason as String does.
func (r GuardReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// GuardCount is how many packets to a VIP one rule decided over, since the VIP
// came under guard.
type GuardCount struct {
	VIP     netip.Addr
	Reason  GuardReason
	Passed  uint64 // if the reason drops: while the guard did not enforce
	Dropped uint64
}

// GuardBytes are the bytes of the frames to a VIP.
type GuardBytes struct {
	VIP             netip.Addr
	Passed, Dropped uint64
}

// GuardCounters are the counters of all VIPs in their order, without the
// reasons that never were.
type GuardCounters struct {
	Packets []GuardCount
	Bytes   []GuardBytes
}

// GuardTalker is what one source sent to one VIP lately. Of sources whose
// packets are dropped before limits are looked at, one packet in 64 makes the
// source known, and all of its packets count from then on.
type GuardTalker struct {
	VIP     netip.Addr
	Source  netip.Prefix // an address (IPv4) or a /64 (IPv6)
	Packets uint64       // dropped ones included
	Bytes   uint64
	SYNs    uint64
	Dropped uint64 // or would have been
}

// GuardSYNCount is how many SYNs reached a service, and how many of them were sent
// again because nobody answered. It is a hint: not every repetition is seen.
type GuardSYNCount struct {
	VIP   netip.Addr
	Port  GuardPort
	SYNs  uint64
	Again uint64
}

// GuardSample is the head of one dropped packet.
type GuardSample struct {
	Time      time.Time
	Interface string // "" if it is gone
	Reason    GuardReason
	Dropped   bool   // false: the guard does not enforce
	Length    uint32 // of the whole frame
	Head      []byte // its first bytes, with the Ethernet header
}

// GuardVerdict is what the guard would do with a packet now.
type GuardVerdict struct {
	Reason  GuardReason
	Dropped bool // false with a reason that drops: the guard does not enforce
}

func (v GuardVerdict) String() string {
	switch {
	case v.Dropped:
		return "dropped: " + v.Reason.String()
	case v.Reason.Drops():
		return "passed, because the guard does not enforce: " + v.Reason.String()
	}
	return "passed: " + v.Reason.String()
}
