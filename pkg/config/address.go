package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

const (
	aHost      = "an address, or a host name with exactly one"
	anEndpoint = `"ADDRESS:PORT", "[IPV6]:PORT" or "HOST:PORT"`
	aTarget    = `"ADDRESS:PORT", "[IPV6]:PORT" or "HOST:PORT", the port being the VIP's if left out`
)

// endpoint is an address with a port as the file has it.
type endpoint struct{ host, port string }

// splitEndpoint takes an address and a port apart. An IPv6 address needs
// brackets even without a port: in fd00::1:80 nobody knows which is meant.
func splitEndpoint(s string) (endpoint, bool) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, rest, ok := strings.Cut(rest, "]")
		port, colon := strings.CutPrefix(rest, ":")
		return endpoint{host, port}, ok && strings.Contains(host, ":") && (rest == "" || colon && port != "")
	}
	host, port, colon := strings.Cut(s, ":")
	return endpoint{host, port}, host != "" && !strings.Contains(port, ":") && (!colon || port != "")
}

// endpoint reads an address with a port, port 0 if there is none. Host names
// are resolved to an address of the family, or of the other one if that is
// allowed and there is none; family 0 is either.
func (c *checker) endpoint(t *text, network, expected string, family lvs.Family, other bool) (addr netip.Addr, port uint16, ok bool) {
	if !t.ok() {
		return addr, 0, false
	}
	e, ok := splitEndpoint(t.value)
	if !ok {
		fault := "is not an address with a port"
		if a, err := netip.ParseAddr(t.value); err == nil && a.Is6() {
			fault = "is an IPv6 address without brackets"
		}
		c.add(t.pos, expected, "%q %s", t.value, fault)
		return addr, 0, false
	}
	addr, addrOK := c.address(t.pos, e.host, expected, family, other)
	port, portOK := c.port(t.pos, e.port, network)
	return addr, port, addrOK && portOK
}

func (c *checker) address(pos Position, host, expected string, family lvs.Family, other bool) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		if !hostName(host) {
			c.add(pos, expected, "%q is neither an address nor a host name", host)
			return addr, false
		}
		if addr, err = c.resolve(host, family, other); err != nil {
			c.list = append(c.list, &Error{Position: pos, Message: err.Error(), Expected: aHost, Err: err})
			return addr, false
		}
	}
	if fault := faultOf(addr); fault != "" {
		c.add(pos, "the address of one host", "%s %s", addr, fault)
		return addr, false
	}
	return addr, true
}

// faultOf says why an address cannot be one host's, or "".
func faultOf(a netip.Addr) string {
	switch {
	case a.Zone() != "":
		return "has a zone, which IPVS cannot keep"
	case a.Is4In6():
		return "is an IPv4 address in IPv6 clothes"
	case isCompatible(a):
		return "is an IPv4-compatible IPv6 address, of which RFC 4291 (section 2.5.5.1) says that there are none any more"
	case a.IsUnspecified():
		return "is the unspecified address"
	case a.IsMulticast():
		return "is a multicast address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is the broadcast address"
	}
	return ""
}

// isCompatible tells whether an address is of ::/96 but for :: and ::1. iptables
// writes it in another way than netip.
func isCompatible(a netip.Addr) bool {
	compatible := netip.PrefixFrom(netip.IPv6Unspecified(), 96)
	return compatible.Contains(a) && !a.IsUnspecified() && !a.IsLoopback()
}

// hostName tells whether a text can be a host name: the last label of one is
// never a number (RFC 3696 section 2), so that 10.0.0.300 is none.
func hostName(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.ContainsFunc(l, func(r rune) bool { return r > 0x7f || !bare(byte(r)) }) {
			return false
		}
	}
	return len(s) <= 254 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// answer is what the resolver said about a host name and network.
type answer struct {
	addrs []netip.Addr
	err   error
}

func (c *checker) resolve(host string, family lvs.Family, other bool) (netip.Addr, error) {
	networks := map[lvs.Family][]string{0: {"ip"}, lvs.IPv4: {"ip4", "ip6"}, lvs.IPv6: {"ip6", "ip4"}}[family]
	if !other {
		networks = networks[:1]
	}
	var first error
	for _, network := range networks {
		a := c.lookup(network, host)
		switch {
		case len(a.addrs) == 1:
			return a.addrs[0], nil
		case len(a.addrs) > 1:
			// The first of several would make the table change with the
			// order of the answers.
			return netip.Addr{}, fmt.Errorf("host name %q is ambiguous: it has the addresses %s", host, joinAddrs(a.addrs))
		case first == nil:
			first = a.err
		}
	}
	return netip.Addr{}, first
}

// lookup asks the resolver once for each host name and network.
func (c *checker) lookup(network, host string) answer {
	key := network + " " + host
	if a, known := c.hosts[key]; known {
		return a
	}
	addrs, err := c.resolver.LookupNetIP(c.ctx, network, host)
	addrs = slices.Clone(addrs)
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	a := answer{addrs: slices.Compact(addrs)}
	kind := map[string]string{"ip": "an address", "ip4": "an ipv4 address", "ip6": "an ipv6 address"}[network]
	switch {
	case err != nil:
		a = answer{err: fmt.Errorf("resolve %q to %s: %w", host, kind, err)}
	case len(addrs) == 0:
		a.err = fmt.Errorf("resolve %q to %s: none", host, kind)
	}
	c.hosts[key] = a
	return a
}

func joinAddrs(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

const aPort = "a number from 1 to 65535 or the name of a service"

// port reads a port number or the name of a service; none is 0.
func (c *checker) port(pos Position, s, network string) (uint16, bool) {
	if s == "" {
		return 0, true
	}
	if strings.Trim(s, "0123456789") == "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			c.add(pos, aPort, "port %s is out of range", s)
		}
		return uint16(n), err == nil
	}
	if !bare(s[0]) || s[0] == '-' {
		c.add(pos, aPort, "%q is not a port", s)
		return 0, false
	}
	n, err := c.resolver.LookupPort(c.ctx, network, s)
	if err != nil || n < 1 || n > 65535 {
		c.add(pos, aPort, "no service %q of %s is known", s, network)
		return 0, false
	}
	return uint16(n), true
}
