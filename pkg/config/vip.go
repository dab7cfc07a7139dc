package config

import (
	"net/netip"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// maxInterface is the longest name of an interface or a label in bytes
// (IFNAMSIZ less the NUL, include/uapi/linux/if.h).
const maxInterface = 15

const aPrefix = `"ADDRESS/PREFIX", such as "192.0.2.1/32"`

// addresses reads [vip]: by interface, and on each in the file's order.
func (c *checker) addresses(raw *named[rawAddresses, *rawAddresses]) []lvs.Address {
	var all []lvs.Address
	for i := range raw.entries {
		e := &raw.entries[i]
		if !interfaceName(e.name) {
			c.add(e.pos, "1 to 15 bytes without blanks, slashes and colons", "%q cannot be the name of an interface", e.name)
		}
		first := map[netip.Addr]Position{}
		for j := range e.value.values {
			raw := &e.value.values[j]
			a, ok := c.vipAddress(e.name, raw)
			if !ok {
				continue
			}
			addr := a.Prefix.Addr()
			if old, twice := first[addr]; twice {
				c.add(raw.Address.pos, "each address once on an interface", "%s is already given at %s", addr, old)
				continue
			}
			first[addr] = raw.Address.pos
			all = append(all, a)
		}
	}
	return all
}

// interfaceName tells whether the kernel takes a name for an interface
// (dev_valid_name, net/core/dev.c).
func interfaceName(s string) bool {
	return s != "" && len(s) <= maxInterface && s != "." && s != ".." &&
		!strings.ContainsAny(s, "/: \t\n\v\f\r\u00a0")
}

func (c *checker) vipAddress(device string, raw *rawAddress) (lvs.Address, bool) {
	t := &raw.Address
	if !raw.bad && !t.given() {
		c.add(raw.pos, `address = "ADDRESS/PREFIX"`, "the address is missing")
	}
	if !t.ok() {
		return lvs.Address{}, false
	}
	prefix, err := netip.ParsePrefix(t.value)
	if err != nil {
		c.add(t.pos, aPrefix, "%q is not an address with a prefix length", t.value)
		return lvs.Address{}, false
	}
	addr := prefix.Addr()
	fault := faultOf(addr)
	if fault == "" {
		fault = networkFault(prefix)
	}
	if fault != "" {
		c.add(t.pos, "the address of one host in its network", "%s %s", prefix, fault)
		return lvs.Address{}, false
	}
	c.addressOptions(device, raw, addr)
	return lvs.Address{
		AddressKey: lvs.AddressKey{Interface: device, Prefix: prefix},
		Label:      raw.Label.value,
		NoDAD:      raw.NoDAD.or(addr.Is6()),
	}, true
}

// networkFault says why an address cannot be a host's in its network, or "".
func networkFault(p netip.Prefix) string {
	switch {
	case p.Bits() == 0:
		return "has the whole internet as its network"
	case p.Addr().Is6() || p.Bits() > 30: // RFC 3021: both addresses of a /31 are hosts
		return ""
	case p.Masked() == p:
		return "is the address of a network"
	}
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		if b[i/8]&(1<<(7-i%8)) == 0 {
			return ""
		}
	}
	return "is the broadcast address of its network"
}

func (c *checker) addressOptions(device string, raw *rawAddress, addr netip.Addr) {
	if raw.NoDAD.ok() && addr.Is4() {
		c.add(raw.NoDAD.pos, "nodad with an IPv6 address only", "%s has no duplicate address detection", addr)
	}
	if !raw.Label.ok() {
		return
	}
	label := raw.Label.value
	rest, ok := strings.CutPrefix(label, device)
	switch {
	case !addr.Is4():
		c.add(raw.Label.pos, "a label with an IPv4 address only", "%s cannot have a label", addr)
	case len(label) > maxInterface:
		c.add(raw.Label.pos, "at most 15", "label %q is %d bytes long", label, len(label))
	case !ok || rest != "" && (rest[0] != ':' || !interfaceName(rest[1:])):
		c.add(raw.Label.pos, `"`+device+`" or "`+device+`:NAME"`, "label %q does not belong to %s", label, device)
	}
}
