package status

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Guard is the guard in front of the VIPs, as the kernel has it.
type Guard struct {
	Enforce    bool             `json:"enforce"` // false: it counts what it would drop
	Interfaces []GuardInterface `json:"interfaces"`
	Allow      int              `json:"allow"`     // networks on the list
	Block      int              `json:"block"`     // networks on the list, those by command among them
	Commanded  []GuardBlock     `json:"commanded"` // blocks by command
	VIPs       []GuardVIP       `json:"vips"`
	Lacks      []string         `json:"lacks"`    // what this kernel cannot do, and from which version on it could
	Problems   []string         `json:"problems"` // what could not be read: lists, or the kernel
}

// GuardInterface is an interface that is or should be guarded.
type GuardInterface struct {
	Interface string `json:"interface"`
	Mode      string `json:"mode"` // driver or generic; "" where it is not attached
}

// GuardBlock is a network that somebody blocked by command.
type GuardBlock struct {
	Prefix netip.Prefix `json:"prefix"`
	By     string       `json:"by"`
	Since  time.Time    `json:"since"`
	Until  time.Time    `json:"until"` // year 1: for ever
}

// GuardVIP is what came for a VIP, since the kernel has the guard.
type GuardVIP struct {
	VIP     netip.Addr    `json:"vip"`
	Passed  GuardCount    `json:"passed"`
	Dropped GuardCount    `json:"dropped"` // or would be, where the guard only counts
	Reasons []GuardReason `json:"reasons"` // of what was dropped, those with most packets first
}

// GuardReason is why packets were dropped.
type GuardReason struct {
	Reason string `json:"reason"`
	GuardCount
}

// GuardCount is a number of packets and of their bytes.
type GuardCount struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// GuardSYNs is what clients ask of a service. Those who ask again within seconds
// got no answer: an early sign that a server has stopped to give any. It changes
// nothing.
type GuardSYNs struct {
	SYNs          uint64 `json:"syns"`
	Retransmitted uint64 `json:"retransmitted"`
}

// GuardTalker is a source and what it sent to a VIP.
type GuardTalker struct {
	VIP    netip.Addr   `json:"vip"`
	Source netip.Prefix `json:"source"`
	GuardCount
	SYNs uint64 `json:"syns"`
}

// GuardSample is a dropped packet.
type GuardSample struct {
	Time      time.Time `json:"time"`
	Interface string    `json:"interface"`
	Reason    string    `json:"reason"`
	Packet    string    `json:"packet"` // in words
}

// GuardTop is who sends most, and what was dropped last.
type GuardTop struct {
	Time    time.Time     `json:"time"`
	Talkers []GuardTalker `json:"talkers"` // those with most packets first
	Samples []GuardSample `json:"samples"` // the last ones, the newest first
}

// GuardProbe is a packet to try the guard on.
type GuardProbe struct {
	Protocol lvs.Protocol
	Source   netip.AddrPort
	Target   netip.AddrPort
}

// GuardVerdict is what the guard makes of a packet.
type GuardVerdict struct {
	Packet  string `json:"packet"`  // in words
	Drop    bool   `json:"drop"`    // or would, where the guard only counts
	Enforce bool   `json:"enforce"` // what is dropped is not only counted
	Rule    string `json:"rule"`    // which decided
}
