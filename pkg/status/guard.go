package status

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Guard is the guard in front of the VIPs, as the kernel has it.
type Guard struct {
	Loaded     bool             `json:"loaded"`  // else the rest is the configuration's
	Error      string           `json:"error"`   // what could not be done about it and is tried again, or ""
	Enforce    bool             `json:"enforce"` // false: it counts what it would drop
	Interfaces []GuardInterface `json:"interfaces"`
	Allow      int              `json:"allow"`     // networks on the list
	Block      int              `json:"block"`     // networks on the list, those by command among them
	Commanded  []GuardBlock     `json:"commanded"` // blocks by command
	VIPs       []GuardVIP       `json:"vips"`
	Problems   []string         `json:"problems"` // lists that could not be read, and what else
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

// GuardVIP is what came for a VIP since it came under guard.
type GuardVIP struct {
	VIP     netip.Addr    `json:"vip"`
	Passed  GuardCount    `json:"passed"`
	Dropped GuardCount    `json:"dropped"`
	Reasons []GuardReason `json:"reasons"` // but for being within all limits; those with most packets first
}

// GuardReason is a rule and how many packets it decided over.
type GuardReason struct {
	Reason  string `json:"reason"`
	Drops   bool   `json:"drops"`   // if the guard enforces
	Passed  uint64 `json:"passed"`  // of a rule that drops: while the guard did not enforce
	Dropped uint64 `json:"dropped"` // packets
}

// GuardCount is a number of packets and of their bytes.
type GuardCount struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// GuardSYNs is what clients asked of a service lately. Those who ask again within
// seconds got no answer: an early sign that servers have stopped to give any. It
// is only a sign, and decides nothing.
type GuardSYNs struct {
	Seconds  float64 `json:"seconds"`
	SYNs     uint64  `json:"syns"`
	Repeated uint64  `json:"repeated"`
}

// Telling tells whether so many SYNs were sent again that somebody should look: a
// tenth of them and at least three. A few are lost everywhere.
func (s *GuardSYNs) Telling() bool { return s != nil && s.Repeated >= 3 && 10*s.Repeated >= s.SYNs }

// GuardTalker is a source and what it sent to a VIP lately.
type GuardTalker struct {
	VIP     netip.Addr   `json:"vip"`
	Source  netip.Prefix `json:"source"` // IPv4: an address, IPv6: a /64
	Packets uint64       `json:"packets"`
	Bytes   uint64       `json:"bytes"`
	SYNs    uint64       `json:"syns"`
	Dropped uint64       `json:"dropped"` // or would have been
}

// GuardSample is a dropped packet.
type GuardSample struct {
	Time      time.Time `json:"time"`
	Interface string    `json:"interface"`
	Reason    string    `json:"reason"`
	Dropped   bool      `json:"dropped"` // false: the guard only counts
	Packet    string    `json:"packet"`  // in words
}

// GuardTop is who sends most, and what was dropped last.
type GuardTop struct {
	Time    time.Time     `json:"time"`
	Talkers []GuardTalker `json:"talkers"` // those with most packets first
	Samples []GuardSample `json:"samples"` // the newest first
}

// GuardProbe is a packet to try the guard on.
type GuardProbe struct {
	Protocol lvs.Protocol
	Source   netip.AddrPort
	Target   netip.AddrPort
}

// GuardVerdict is what the guard makes of a packet.
type GuardVerdict struct {
	Packet  string `json:"packet"` // in words
	Reason  string `json:"reason"`
	Drops   bool   `json:"drops"`   // the reason is one for dropping
	Dropped bool   `json:"dropped"` // and the guard enforces
	Rule    string `json:"rule"`    // the reason, with what it is about
}
