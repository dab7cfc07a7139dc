package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The networks of a Topology. Every host has the same last part in all its addresses.
const (
	Front = "front" // 10.0.1.0/24, fd00:1::/64: directors, and in front of them the client or the router
	Inner = "inner" // 10.0.2.0/24, fd00:2::/64: real servers behind the directors
	Far   = "far"   // 10.0.3.0/24, fd00:3::/64: the client, if there is a router
)

// VIP4, VIP6 and their successors are addresses of the front network that no host has until a director takes them.
var (
	VIP4 = netip.MustParseAddr("10.0.1.200")
	VIP6 = netip.MustParseAddr("fd00:1::200")
)

// The last parts of the hosts' addresses, read as written in both families: 10.0.1.31 and fd00:1::31.
const (
	routerNumber   = 1
	clientNumber   = 10
	outsideNumber  = 20
	directorNumber = 30  // lb1 is 31
	realNumber     = 100 // rs1 is 101
	mostReal       = 99
	mostDirectors  = 9
)

// A Topology says which hosts New makes and how they are connected. The zero value is a client, a director lb1 and two real servers rs1
// and rs2, all on the front network: the wiring of DR, TUN and one-arm NAT.
type Topology struct {
	Directors   int // lb1, lb2, …; 0 means 1, at most 9
	RealServers int // rs1, rs2, …; 0 means 2, at most 99
	// BehindDirector puts the real servers on the inner network, with a default route to lb1, which has eth1 there: the wiring of LVS-NAT.
	BehindDirector bool
	// Router puts the client on the far network behind a host `router`, which is everybody's default route on the front network.
	Router bool
	// Outside adds a host `outside` on the front network that knows no route to the inner network, so that it can only answer real servers
	// that are masqueraded.
	Outside bool
}

// New builds a topology. Every host has its addresses and routes; VIPs and IPVS are left to the caller. Only one lab can exist at a time
// where /run/netns is the same: the names of its hosts are taken.
func New(t Topology) (*Lab, error) {
	if t.Directors == 0 {
		t.Directors = 1
	}
	if t.RealServers == 0 {
		t.RealServers = 2
	}
	if t.Directors < 0 || t.Directors > mostDirectors || t.RealServers < 0 || t.RealServers > mostReal {
		return nil, fmt.Errorf("a lab of %d directors and %d real servers: at most %d and %d",
			t.Directors, t.RealServers, mostDirectors, mostReal)
	}
	l, err := NewEmpty()
	if err != nil {
		return nil, err
	}
	if err := l.build(t); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build(t Topology) error {
	for _, n := range []string{Front, Inner, Far} {
		if err := l.AddNetwork(n); err != nil {
			return err
		}
	}
	if t.Router {
		if err := l.addRouter(); err != nil {
			return err
		}
	}
	clientNet := Front
	if t.Router {
		clientNet = Far
	}
	if _, err := l.addNumbered("client", clientNumber, t.gateway(clientNet), clientNet); err != nil {
		return err
	}
	if t.Outside {
		if _, err := l.addNumbered("outside", outsideNumber, t.gateway(Front), Front); err != nil {
			return err
		}
	}
	for i := range t.Directors {
		nets := []string{Front}
		if t.BehindDirector {
			nets = append(nets, Inner)
		}
		if _, err := l.addNumbered("lb"+strconv.Itoa(i+1), directorNumber+i+1, t.gateway(Front), nets...); err != nil {
			return err
		}
	}
	realNet := Front
	if t.BehindDirector {
		realNet = Inner
	}
	for i := range t.RealServers {
		if _, err := l.addNumbered("rs"+strconv.Itoa(i+1), realNumber+i+1, t.gateway(realNet), realNet); err != nil {
			return err
		}
	}
	return nil
}

// gateway is the number of the host that the hosts of a network send everything else to, 0 if there is none.
func (t Topology) gateway(network string) int {
	switch {
	case network == Inner:
		return directorNumber + 1
	case t.Router:
		return routerNumber
	}
	return 0
}

func (l *Lab) addRouter() error {
	r, err := l.addNumbered("router", routerNumber, 0, Front, Far)
	if err != nil {
		return err
	}
	return r.EnableForwarding()
}

// addNumbered adds a host with the interfaces eth0, eth1, … in the networks, and a default route through the host of number gateway in
// the first of them.
func (l *Lab) addNumbered(name string, number, gateway int, networks ...string) (*Host, error) {
	h, err := l.AddHost(name)
	if err != nil {
		return nil, err
	}
	for i, n := range networks {
		if err := h.Connect(n, "eth"+strconv.Itoa(i), addresses(n, number)...); err != nil {
			return nil, err
		}
	}
	if gateway == 0 {
		return h, nil
	}
	for _, via := range addresses(networks[0], gateway) {
		if err := h.SetDefaultRoute(via.Addr()); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// addresses gives the IPv4 and the IPv6 address of a number in one of the three networks.
func addresses(network string, number int) []netip.Prefix {
	third := map[string]int{Front: 1, Inner: 2, Far: 3}[network]
	return []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("10.0.%d.%d/24", third, number)),
		netip.MustParsePrefix(fmt.Sprintf("fd00:%d::%d/64", third, number)),
	}
}

// compareNames orders rs2 before rs10.
func compareNames(a, b string) int {
	if len(a) != len(b) && strings.TrimRight(a, "0123456789") == strings.TrimRight(b, "0123456789") {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
