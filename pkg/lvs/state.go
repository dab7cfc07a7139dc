package lvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// State is every kernel thing that a director owns: what it wants, or what the
// kernel has. The maps are keyed by what identifies the thing to the kernel.
type State struct {
	Modules   []string // sorted
	Sysctls   map[string]Sysctl
	Timeouts  Timeouts
	Services  map[ServiceKey]Service
	Rules     map[Rule]int // how often each stands there; wanted is once
	Addresses map[AddressKey]Address
	Links     map[string]VirtualLink // by name
	Daemons   map[SyncRole]SyncDaemon
	Absent    map[AddressKey]bool // wanted: must not be there, whoever made it and whatever its prefix length is
	Detours   map[Detour]bool
	Silent    bool               // wanted: IPVS forwards nothing while there is a backup daemon
	Guard     *Guard             // nil: none
	GuardGrow map[GuardList]bool // wanted: lists of which not all is known, so that nothing is taken off them
}

// VirtualLink is an interface with a hardware address of its own beside the one of
// the interface that it is based on.
type VirtualLink struct {
	Name string
	Base string // the other interface's name
	MAC  string // as net.HardwareAddr writes it
}

func (l VirtualLink) String() string {
	if l.Name == "" {
		return "none"
	}
	return l.Name + " with " + l.MAC + " on " + l.Base
}

// Timeouts are the connection time-outs of IPVS in whole seconds. A zero field
// is left as the kernel has it (ipvsadm --set).
type Timeouts struct {
	TCP, TCPFin, UDP time.Duration
}

// String names the fields that are not zero: "tcp 15m, udp 5m".
func (t Timeouts) String() string {
	var parts []string
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"tcp", t.TCP}, {"tcpfin", t.TCPFin}, {"udp", t.UDP}} {
		if f.d != 0 {
			parts = append(parts, f.name+" "+Seconds(f.d))
		}
	}
	return strings.Join(parts, ", ")
}

// Seconds writes a duration of whole seconds without the parts that are zero:
// 5m, not 5m0s.
func Seconds(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// AddressKey identifies an address: the same one may stand on two interfaces.
type AddressKey struct {
	Interface string
	Prefix    netip.Prefix // the address itself with its prefix length, not masked
}

func (k AddressKey) String() string { return k.Prefix.String() + " on " + k.Interface }

// Compare orders keys by interface, then by address and prefix length.
func (k AddressKey) Compare(o AddressKey) int {
	return cmp.Or(
		cmp.Compare(k.Interface, o.Interface),
		k.Prefix.Addr().Compare(o.Prefix.Addr()),
		cmp.Compare(k.Prefix.Bits(), o.Prefix.Bits()),
	)
}

// Address is an address on an interface.
type Address struct {
	AddressKey
	Label string // IPv4 only, "" for the interface's name
	NoDAD bool   // IPv6 only: usable at once, without duplicate address detection
}

// Sysctl is a kernel parameter with a wanted value.
type Sysctl struct {
	Key    string // with dots; a dot inside an interface's name is a slash, as sysctl(8) has it
	Value  string // what to set
	Accept string // space-separated values that are as good as Value
	Over   string // key of a parameter whose larger value wins over this one's (net.ipv4.conf.all.*), or ""
	Why    string // what in the configuration needs it
}

// ChainPrefix begins the name of every iptables chain of lvsd's own.
const ChainPrefix = "LVSD-"

// Rule is one iptables rule of lvsd's own: a rule in one of its chains, or the
// jump from a built-in chain to one of them.
type Rule struct {
	Family Family
	Table  string // nat, mangle, filter
	Chain  string // one that begins with ChainPrefix, or the built-in one of a jump
	Spec   string // as iptables -S prints it, without the leading "-A CHAIN"
}

func (r Rule) String() string {
	tool := "iptables"
	if r.Family == IPv6 {
		tool = "ip6tables"
	}
	return fmt.Sprintf("%s -t %s -A %s %s", tool, r.Table, r.Chain, r.Spec)
}

// Compare orders rules by family, table, chain and text.
func (r Rule) Compare(o Rule) int {
	return cmp.Or(
		cmp.Compare(r.Family, o.Family),
		cmp.Compare(r.Table, o.Table),
		cmp.Compare(r.Chain, o.Chain),
		cmp.Compare(r.Spec, o.Spec),
	)
}

// Detour is a kind of packet that is taken off an interface and received on lo
// instead. The answer to a check that a director sent to its own VIP through a
// real server needs it: it comes from outside with an address of the director's
// as its source, which the kernel takes for a forgery anywhere but on lo
// (fib_validate_source, net/ipv4/fib_frontend.c). IPv4 only.
type Detour struct {
	Interface string
	Protocol  Protocol       // TCP or UDP
	From      netip.AddrPort // source: the VIP with its port
	To        netip.Addr     // destination: the address that the check came from
}

func (d Detour) String() string {
	return fmt.Sprintf("%s from %s to %s on %s", d.Protocol, d.From, d.To, d.Interface)
}

// Compare orders detours by interface, then by source, destination and protocol.
func (d Detour) Compare(o Detour) int {
	return cmp.Or(
		cmp.Compare(d.Interface, o.Interface),
		d.From.Compare(o.From),
		d.To.Compare(o.To),
		cmp.Compare(d.Protocol, o.Protocol),
	)
}

// Verb is what a change does to a thing.
type Verb uint8

// The verbs.
const (
	Add Verb = iota + 1
	Set
	Delete
)

func (v Verb) String() string {
	switch v {
	case Add:
		return "add"
	case Set:
		return "set"
	case Delete:
		return "delete"
	}
	return fmt.Sprintf("verb(%d)", uint8(v))
}

// Change is one change of the IPVS table: of the service Service if Server is
// nil, else of that real server in it. The Servers of Service are not looked at.
type Change struct {
	Verb    Verb
	Service Service
	Server  *Server
}

// Brief says the change without the settings, as errors name it: "add
// 10.0.0.2:80 to tcp 192.0.2.1:80".
func (c Change) Brief() string {
	key := c.Service.Key
	if c.Server == nil {
		return fmt.Sprintf("%s %s", c.Verb, key)
	}
	preposition := "in"
	switch c.Verb {
	case Add:
		preposition = "to"
	case Delete:
		preposition = "from"
	}
	return fmt.Sprintf("%s %s %s %s", c.Verb, c.Server.Key, preposition, key)
}

// String says the change as a person would: "add 10.0.0.2:80 to tcp
// 192.0.2.1:80 (dr weight 1)".
func (c Change) String() string {
	switch {
	case c.Verb == Delete:
		return c.Brief()
	case c.Server == nil:
		return fmt.Sprintf("%s (%s)", c.Brief(), c.Service.Settings)
	}
	return fmt.Sprintf("%s (%s)", c.Brief(), c.Server.ServerSettings)
}

// SortServers puts servers in the order of their keys.
func SortServers(s []Server) {
	slices.SortFunc(s, func(a, b Server) int { return a.Key.Compare(b.Key) })
}
