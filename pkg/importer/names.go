package importer

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// names gives services, servers and the rest names of their own.
type names struct {
	taken map[string]bool   // "virtual.http"
	hosts map[string]string // names of real servers: the same in each service
}

const longest = 63 // bytes of a name

// unique is a name that nothing of the kind has yet.
func (n *names) unique(kind, name string) string {
	if n.taken == nil {
		n.taken = map[string]bool{}
	}
	name = sanitize(name)
	for i, first := 2, name; n.taken[kind+"."+name]; i++ {
		suffix := "-" + strconv.Itoa(i)
		name = first[:min(len(first), longest-len(suffix))] + suffix
	}
	n.taken[kind+"."+name] = true
	return name
}

// sanitize makes a text a name of lvsd: letters, digits, "_", "-" and ".".
func sanitize(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x80 && strings.ContainsRune(bareKey+".", r) {
			return r
		}
		return '-'
	}, s)
	s = strings.TrimLeft(s, "-.")
	if s == "" {
		return "unnamed"
	}
	return s[:min(len(s), longest)]
}

// host is the name of a real server: the first label of a host name, and for an
// address the next of rs1, rs2, ….
func (n *names) host(host string) string {
	if n.hosts == nil {
		n.hosts = map[string]string{}
	}
	if name, ok := n.hosts[host]; ok {
		return name
	}
	name := ""
	if _, err := netip.ParseAddr(host); err != nil {
		label, _, _ := strings.Cut(host, ".")
		name = n.unique("host", label)
	}
	for i := 1; name == ""; i++ {
		if rs := fmt.Sprintf("rs%d", i); !n.taken["host."+rs] {
			name = n.unique("host", rs)
		}
	}
	if strings.HasPrefix(name, "fallback") {
		name = n.unique("host", "rs-"+name)
	}
	n.hosts[host] = name
	return name
}

// wellKnown are the ports that services are named after, and the names of ports
// that mean something to a check.
var wellKnown = map[int]string{
	21: "ftp", 22: "ssh", 25: "smtp", 53: "dns", 80: "http", 110: "pop3", 119: "nntp", 123: "ntp", 143: "imap", 161: "snmp", 389: "ldap", 443: "https",
	514: "syslog", 587: "submission", 636: "ldaps", 993: "imaps", 995: "pop3s", 1521: "oracle", 1812: "radius", 3128: "http_proxy",
	3306: "mysql", 5060: "sip", 5432: "postgres", 6379: "redis", 8080: "http-alt",
}

// aliases are other names of these ports in /etc/services.
var aliases = map[string]int{
	"domain": 53, "pop-3": 110, "imap2": 143, "www": 80, "postgresql": 5432, "squid": 3128, "mail": 25, "http-alt": 8080,
}

// portNumber is the number of a port, if it is one or the name of one of these.
func portNumber(port string) (int, bool) {
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		return int(n), true
	}
	for n, name := range wellKnown {
		if name == port {
			return n, true
		}
	}
	n, ok := aliases[port]
	return n, ok
}

// samePort tells whether two ports are one, written as they may be.
func samePort(a, b string) bool {
	m, known := portNumber(a)
	n, too := portNumber(b)
	return a == b || known && too && m == n
}

// serviceName is a name for a service that has none.
func serviceName(protocol string, port string) string {
	n, ok := portNumber(port)
	if !ok {
		return port
	}
	if n == 0 {
		return protocol + "-all"
	}
	if name := wellKnown[n]; name != "" {
		return name
	}
	return protocol + "-" + strconv.Itoa(n)
}
