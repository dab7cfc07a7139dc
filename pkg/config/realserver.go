package config

import (
	_ "embed" // for the reference
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// RealServer is what `lvsd realserver` keeps a host ready for: the VIPs, all
// served in the same way.
type RealServer struct {
	VIPs       []netip.Addr
	Forwarding lvs.Forwarding
	Tunnel     lvs.Tunnel
	Local      []netip.Addr // own addresses to which a director tunnels; empty: found
	Interfaces []string     // that face the director; empty: found
	Director   netip.Addr   // its address in this host's network; invalid: not known
	SetRoute   bool         // lead the answers through it
	MSS        uint16       // largest TCP segment with a tunnel, in bytes; 0: computed
	Clamp      bool         // lower the segment size at all
	Ports      []Port       // of the services
	StateDir   string
}

// Port is where a service listens.
type Port struct {
	Protocol lvs.Protocol
	Number   uint16
}

func (p Port) String() string { return fmt.Sprintf("%s port %d", p.Protocol, p.Number) }

// DefaultRealServer is what holds where nothing is said.
func DefaultRealServer() RealServer {
	return RealServer{Forwarding: lvs.DR, Clamp: true, StateDir: defaultStateDir}
}

const aServicePort = `"80", "tcp/80", "udp/53" or "sctp/6000"`

// ParsePort reads a port as the file and the flags have it.
func ParsePort(s string) (Port, error) {
	word, number, ok := strings.Cut(s, "/")
	if !ok {
		word, number = "tcp", s
	}
	p, err := lvs.ParseProtocol(word)
	if err != nil {
		return Port{}, err
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return Port{}, fmt.Errorf("%q is not a port from 1 to 65535", number)
	}
	return Port{Protocol: p, Number: uint16(n)}, nil
}

//go:embed realserver.toml
var realServerReference string

// RealServerReference is a commented file with every key, as Reference is for a
// director.
func RealServerReference() string { return realServerReference }

type rawRealServer struct {
	at
	VIP        list[text, *text] `toml:"vip"`
	Forwarding text              `toml:"forwarding"`
	Tunnel     rawTunnel         `toml:"tunnel"`
	Local      list[text, *text] `toml:"local"`
	Interface  list[text, *text] `toml:"interface"`
	Director   text              `toml:"director"`
	SetRoute   boolean           `toml:"set_route"`
	MSS        number            `toml:"mss"`
	Clamp      boolean           `toml:"clamp"`
	Port       list[text, *text] `toml:"port"`
	StateDir   text              `toml:"state_dir"`
}

func (r *rawRealServer) decode(p *problems, n *node) { decodeTable(p, n, r, "keys") }

// LoadRealServer reads the file of a real server. Its error is an Errors with
// every problem that the file has.
func LoadRealServer(path string) (*RealServer, error) {
	var c checker
	source, err := readFile(path)
	if err != nil {
		addRead(&c.problems, path, err)
		return nil, c.err()
	}
	root := parseFile(path, source, &c.problems)
	if root == nil {
		return nil, c.err()
	}
	var raw rawRealServer
	raw.decode(&c.problems, root)
	s := c.realServer(&raw)
	if len(c.list) == 0 && !raw.VIP.given() && !raw.Director.given() {
		c.add(Position{File: path}, "", "nothing is asked for: neither vip nor director is given")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return s, nil
}

func (c *checker) realServer(raw *rawRealServer) *RealServer {
	s := DefaultRealServer()
	s.VIPs = c.addressList(&raw.VIP)
	s.Forwarding = c.forwarding(&raw.Forwarding, s.Forwarding)
	s.Tunnel = c.tunnel(&raw.Tunnel, lvs.Tunnel{})
	if raw.Tunnel.ok() && s.Forwarding != lvs.TUN {
		c.add(raw.Tunnel.pos, `forwarding = "tun"`, "a tunnel has no effect with forwarding %s", s.Forwarding)
	}
	s.Local = c.addressList(&raw.Local)
	for i := range raw.Interface.values {
		if t := &raw.Interface.values[i]; t.ok() {
			s.Interfaces = append(s.Interfaces, c.device(t))
		}
	}
	if raw.Director.ok() {
		s.Director = c.plainAddress(&raw.Director)
	}
	s.SetRoute = raw.SetRoute.or(false)
	if s.SetRoute && !raw.Director.given() {
		c.add(raw.SetRoute.pos, `director = "ADDRESS"`, "set_route needs the director's address")
	}
	s.MSS = uint16(raw.MSS.in(&c.problems, "mss", 88, 65495, 0)) // the kernel's least, and what fits into IPv4
	s.Clamp = raw.Clamp.or(s.Clamp)
	s.Ports = c.ports(&raw.Port)
	s.StateDir = c.stateDir(&raw.StateDir)
	return &s
}

func (c *checker) addressList(raw *list[text, *text]) []netip.Addr {
	var all []netip.Addr
	for i := range raw.values {
		if t := &raw.values[i]; t.ok() {
			all = append(all, c.plainAddress(t))
		}
	}
	return all
}

// plainAddress reads an address; a real server resolves no names.
func (c *checker) plainAddress(t *text) netip.Addr {
	a, err := netip.ParseAddr(t.value)
	if err != nil {
		c.add(t.pos, "an IPv4 or IPv6 address", "%q is not an address", t.value)
		return a
	}
	if fault := faultOf(a); fault != "" {
		c.add(t.pos, "the address of one host", "%s %s", a, fault)
	}
	return a
}

func (c *checker) device(t *text) string {
	if !interfaceName(t.value) {
		c.add(t.pos, "1 to 15 bytes without blanks, slashes and colons", "%q cannot be the name of an interface", t.value)
	}
	return t.value
}

func (c *checker) ports(raw *list[text, *text]) []Port {
	var all []Port
	for i := range raw.values {
		t := &raw.values[i]
		if !t.ok() {
			continue
		}
		p, err := ParsePort(t.value)
		if err != nil {
			c.add(t.pos, aServicePort, "%v", err)
		}
		all = append(all, p)
	}
	return all
}
