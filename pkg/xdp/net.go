package xdp

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// What the table of IPv4 networks says of one of 24 bits: enum net_state in
// bpf/guard.h, which tells more of it.
const (
	netEmpty = iota
	netAllowed
	netBlocked
	netMixed
)

// Sizes of the table: as in bpf/guard.h.
const (
	netsOfPage = 1 << 14
	pages      = 1 << 24 / netsOfPage
)

func (p *guardNets) state(net uint32) uint8 {
	at := net % netsOfPage
	return p.State[at/4] >> (at % 4 * 2) & 3
}

func (p *guardNets) set(net uint32, state uint8) {
	at := net % netsOfPage
	shift := at % 4 * 2
	p.State[at/4] = p.State[at/4]&^(3<<shift) | state<<shift
}

// lists are what the two cover, by lvs.GuardList.
type lists [2]cover

// standing is how the addresses of a network of 24 bits stand on the lists.
type standing struct{ allow, block hostBits }

// state is what the table says of such a network.
func (s standing) state() uint8 {
	switch {
	case s.allow == allHosts:
		return netAllowed
	case s.block == allHosts && s.allow == hostBits{}:
		return netBlocked
	case s != standing{}:
		return netMixed
	}
	return netEmpty
}

// parts is what the map of hosts has of its networks of 27 bits: of one without any
// bit, nothing.
func (s standing) parts() (all [8]guardHosts) {
	if s.state() != netMixed {
		return all
	}
	for i := range all {
		all[i] = guardHosts{Allow: s.allow[i], Block: s.block[i]}
	}
	return all
}

// view moves over both lists.
type view struct{ allow, block window }

func (l lists) view() view { return view{window{l[lvs.AllowList]}, window{l[lvs.BlockList]}} }

func (v *view) at(net uint32) standing { return standing{v.allow.at(net), v.block.at(net)} }

// parts counts the networks of 27 bits that the map of hosts has to have.
func (l lists) parts() (n int) {
	v := l.view()
	for net := range l.mixed() {
		for _, h := range v.at(net).parts() {
			if h != (guardHosts{}) {
				n++
			}
		}
	}
	return n
}

// mixed gives the networks of 24 bits that a list has in part, in order.
func (l lists) mixed() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		a, b := l[0], l[1]
		last := ^uint64(0)
		for len(a)+len(b) > 0 {
			if len(a) == 0 || len(b) > 0 && b[0] < a[0] {
				a, b = b, a
			}
			if net := a[0] >> 8; a[0]&0xff != 0 && net != last {
				if last = net; !yield(uint32(net)) {
					return
				}
			}
			a = a[1:]
		}
	}
}

// setNets makes of a table of what the lists were one of what they will be. Each
// part of it changes at once, and only where the lists do.
func (g *Guard) setNets(have, want lists) error {
	vips, err := g.netsOfVIPs()
	if err != nil {
		return err
	}
	p := &page{number: pages} // none
	before, after := have.view(), want.view()
	for net := range have.changes(want) {
		if net/netsOfPage != p.number {
			if p, err = g.turn(p, net/netsOfPage); err != nil {
				return err
			}
		}
		p.put(net, before.at(net), after.at(net), vips[net])
	}
	return g.flush(p)
}

// changes gives the networks of 24 bits in which a list is another, in order.
// Only one list is, so that there is nothing to merge.
func (l lists) changes(to lists) iter.Seq[uint32] {
	allow, block := l[lvs.AllowList].xor(to[lvs.AllowList]), l[lvs.BlockList].xor(to[lvs.BlockList])
	if len(allow) > 0 {
		return allow.nets()
	}
	return block.nets()
}

// A page of the table while it is changed.
type page struct {
	number uint32
	nets   guardNets
	keys   []uint32 // of parts that are new or others
	hosts  []guardHosts
	gone   []uint32 // parts that were
}

func (p *page) put(net uint32, before, after standing, vip bool) {
	state := after.state()
	if state == netEmpty && vip {
		state = netMixed
	}
	p.nets.set(net, state)
	had, has := before.parts(), after.parts()
	if had == has {
		return
	}
	for i := range has {
		part := net*8 + uint32(i)
		switch {
		case has[i] == had[i]:
		case has[i] == guardHosts{}:
			p.gone = append(p.gone, part)
		default:
			p.keys, p.hosts = append(p.keys, part), append(p.hosts, has[i])
		}
	}
}

// turn writes a page and reads another one.
func (g *Guard) turn(p *page, number uint32) (*page, error) {
	if err := g.flush(p); err != nil {
		return nil, err
	}
	p = &page{number: number}
	if err := g.objects.Nets4.Lookup(number, &p.nets); err != nil {
		return nil, fmt.Errorf("read the table of networks: %w", err)
	}
	return p, nil
}

// flush writes hosts before what leads to them, and deletes others after that.
func (g *Guard) flush(p *page) error {
	if p.number == pages {
		return nil
	}
	if err := putAll(g.objects.Hosts4, p.keys, p.hosts); err != nil {
		return err
	}
	if err := g.objects.Nets4.Put(p.number, &p.nets); err != nil {
		return fmt.Errorf("write the table of networks: %w", err)
	}
	return deleteAll(g.objects.Hosts4, p.gone)
}

// netsOfVIPs are the networks that have a VIP.
func (g *Guard) netsOfVIPs() (map[uint32]bool, error) {
	t, err := g.table()
	if err != nil {
		return nil, err
	}
	nets := map[uint32]bool{}
	for addr := range t.vips {
		if addr.Is4() {
			nets[netOf(addr)] = true
		}
	}
	return nets, nil
}

func netOf(addr netip.Addr) uint32 {
	a := addr.As4()
	return uint32(a[0])<<16 | uint32(a[1])<<8 | uint32(a[2])
}

// mark has the program look for a VIP among the sources of its network. The mark
// stays when the VIP goes, until a list changes there: all it costs is a lookup.
func (g *Guard) mark(vip netip.Addr) error {
	net := netOf(vip)
	p, err := g.turn(&page{number: pages}, net/netsOfPage)
	if err != nil {
		return err
	}
	if p.nets.state(net) != netEmpty {
		return nil
	}
	p.nets.set(net, netMixed)
	return g.flush(p)
}

// readCover reads the IPv4 part of a list, but for what is allowed as well as a
// whole network, of the block list.
func (g *Guard) readCover(l lvs.GuardList) (cover, error) {
	nets, errNets := dump[uint32, guardNets](g.objects.Nets4)
	hosts, errHosts := dump[uint32, guardHosts](g.objects.Hosts4)
	if err := errors.Join(errNets, errHosts); err != nil {
		return nil, err
	}
	whole := uint8(netBlocked)
	if l == lvs.AllowList {
		whole = netAllowed
	}
	var c cover
	for number := range uint32(pages) {
		p := nets[number]
		if p == (guardNets{}) {
			continue
		}
		for net := number * netsOfPage; net < (number+1)*netsOfPage; net++ {
			switch p.state(net) {
			case whole:
				c.add(uint64(net)<<8, uint64(net)<<8+256)
			case netMixed:
				for part := net * 8; part < net*8+8; part++ {
					c.addHosts(part, hosts[part].of(l))
				}
			}
		}
	}
	return c, nil
}

// sweep deletes hosts to which nothing leads: who left them died while he wrote.
func (g *Guard) sweep() error {
	nets, errNets := dump[uint32, guardNets](g.objects.Nets4)
	hosts, errHosts := dump[uint32, guardHosts](g.objects.Hosts4)
	if err := errors.Join(errNets, errHosts); err != nil {
		return err
	}
	var gone []uint32
	for part := range hosts {
		p := nets[part/8/netsOfPage]
		if p.state(part/8) != netMixed {
			gone = append(gone, part)
		}
	}
	return deleteAll(g.objects.Hosts4, gone)
}

// of are the hosts on a list.
func (h guardHosts) of(l lvs.GuardList) uint32 {
	if l == lvs.AllowList {
		return h.Allow
	}
	return h.Block
}
