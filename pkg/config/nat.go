package config

import (
	"net/netip"
	"slices"
)

// masquerade reads the networks of [nat], sorted.
func (c *checker) masquerade(raw *rawNAT) []netip.Prefix {
	var all []netip.Prefix
	first := map[netip.Prefix]Position{}
	for i := range raw.Masquerade.values {
		t := &raw.Masquerade.values[i]
		if !t.ok() {
			continue
		}
		p, err := netip.ParsePrefix(t.value)
		if err != nil || p.Addr().Is4In6() || isCompatible(p.Addr()) {
			c.add(t.pos, `"NETWORK/PREFIX", such as "192.168.0.0/24"`, "%q is not a network", t.value)
			continue
		}
		if p.Bits() == 0 {
			c.add(t.pos, "a prefix length of 1 or more", "%s is everything: nothing would be outside", p)
			continue
		}
		if p != p.Masked() {
			c.add(t.pos, `"`+p.Masked().String()+`"`, "%s is an address in a network, not the network", p)
			continue
		}
		if old, twice := first[p]; twice {
			c.add(t.pos, "each network once", "%s is already given at %s", p, old)
			continue
		}
		first[p] = t.pos
		all = append(all, p)
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return all
}
