package ipvs

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Belonging finds the virtual service of a connection in a table, because the
// kernel's list says neither the firewall mark by which it came nor how its
// packets are forwarded, and the one who is told of it needs both.
type Belonging struct {
	services    map[lvs.ServiceKey]servers
	persistence map[lvs.ServiceKey]uint32       // seconds
	marks       map[netip.Addr][]lvs.ServiceKey // services of marks by real server, in the order of their marks
}

// servers are the real servers of a service.
type servers map[netip.AddrPort]lvs.Forwarding

// NewBelonging takes the services of the kernel that has the connections.
func NewBelonging(services []lvs.Service) *Belonging {
	b := &Belonging{services: map[lvs.ServiceKey]servers{}, persistence: map[lvs.ServiceKey]uint32{}, marks: map[netip.Addr][]lvs.ServiceKey{}}
	for _, s := range slices.SortedFunc(slices.Values(services), func(a, b lvs.Service) int { return a.Key.Compare(b.Key) }) {
		all := servers{}
		for _, r := range s.Servers {
			all[r.Key] = r.Forwarding
			if a := r.Key.Addr(); s.Key.Mark != 0 && !slices.Contains(b.marks[a], s.Key) {
				b.marks[a] = append(b.marks[a], s.Key)
			}
		}
		b.services[s.Key], b.persistence[s.Key] = all, uint32(s.Persistence.Seconds())
	}
	return b
}

// Of completes a connection, and tells whether it has a service with its real
// server: one without could only be told of with a guess, by which its packets
// would go astray. A connection that fits the services of several marks gets the
// smallest, if all of them forward it in the same way; the others differ in
// nothing that matters to its packets.
//
// A template gets the time of its service, as the kernel's own messages have it: each
// new connection of the client lets it begin anew from what the backup was told, and
// what is left of it is not that (ip_vs_proc_conn, ip_vs_conn_put). With any other
// connection it is, because its next packet sets the time of its state.
func (b *Belonging) Of(c *Connection) bool {
	key, ok := b.find(c)
	if t := b.persistence[key]; ok && c.Template && t > 0 {
		c.Timeout = t
	}
	return ok
}

func (b *Belonging) find(c *Connection) (lvs.ServiceKey, bool) {
	if c.Protocol == 0 {
		return b.ofMark(c)
	}
	for _, port := range []uint16{c.VIP.Port(), 0} { // a service of port 0 takes all ports
		key := lvs.AddrKey(c.Protocol, netip.AddrPortFrom(c.VIP.Addr(), port))
		if f, ok := b.services[key].of(c.Server); ok {
			c.Forwarding = f
			return key, true
		}
	}
	var first lvs.ServiceKey
	found := false
	for _, key := range b.marks[c.Server.Addr()] {
		f, ok := b.services[key].of(c.Server)
		switch {
		case !ok || key.MarkOf != lvs.FamilyOf(c.VIP.Addr()):
		case !found:
			c.Mark, c.Forwarding, first, found = key.Mark, f, key, true
		case f != c.Forwarding:
			return first, false
		}
	}
	return first, found
}

// ofMark is for a template of a mark (ip_vs_sched_persist).
func (b *Belonging) ofMark(c *Connection) (lvs.ServiceKey, bool) {
	mark := binary.BigEndian.Uint32(c.VIP.Addr().AsSlice())
	key := lvs.MarkKey(mark, lvs.FamilyOf(c.Client.Addr()))
	f, ok := b.services[key].of(c.Server)
	c.Mark, c.Forwarding = mark, f
	return key, ok
}

// of finds the real server of a connection: with its port, or with port 0, which
// keeps that of the packets (ip_vs_find_dest).
func (s servers) of(at netip.AddrPort) (lvs.Forwarding, bool) {
	f, ok := s[at]
	if !ok {
		f, ok = s[netip.AddrPortFrom(at.Addr(), 0)]
	}
	return f, ok
}
