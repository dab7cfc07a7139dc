package realserver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Check is one thing that a real server needs, as it was found.
type Check struct {
	Item   string `json:"item"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"` // what to do, or a command
}

// Ready tells whether all checks are well.
func Ready(checks []Check) bool {
	return !slices.ContainsFunc(checks, func(c Check) bool { return !c.OK })
}

// Status tells item by item whether the host is ready, with a remedy for what is
// missing. It changes nothing. Questions by ARP take up to probeTime each.
func (s *Server) Status(ctx context.Context, c Config) ([]Check, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	o, err := s.kernel.observe(nil)
	if err != nil {
		return nil, err
	}
	resolved, err := c.resolve(s.kernel, o)
	if err != nil {
		return []Check{{Item: "set-up", Found: err.Error(), Remedy: "correct this first: nothing else was looked at"}}, nil
	}
	checks, err := s.itemChecks(resolved, o)
	if err != nil {
		return nil, err
	}
	for _, more := range []func(context.Context, Config) ([]Check, error){
		s.arpChecks, s.routeChecks, s.firewallChecks, s.portChecks,
	} {
		found, err := more(ctx, resolved)
		if err != nil {
			return nil, err
		}
		checks = append(checks, found...)
	}
	return checks, nil
}

// itemChecks looks for everything that the setup makes. The route is looked for
// by where packets go, not by how it was made.
func (s *Server) itemChecks(c Config, o observed) ([]Check, error) {
	items := slices.DeleteFunc(c.want(o), func(i Item) bool { return i.Route != nil })
	o, err := s.kernel.observe(items)
	if err != nil {
		return nil, err
	}
	var checks []Check
	for _, i := range items {
		words, ok, err := i.thing().found(s.kernel, o)
		if err != nil {
			words = err.Error()
		}
		check := Check{Item: i.String(), OK: ok, Found: words}
		if !ok {
			check.Remedy = strings.Join(i.thing().making(), "; ")
		}
		checks = append(checks, check)
	}
	return checks, nil
}

// The protocol numbers of tunnels (IANA).
const (
	protoIPIP = 4
	protoIPv6 = 41
	protoGRE  = 47
	protoUDP  = 17
)

// routeChecks follows the way of the answers.
func (s *Server) routeChecks(_ context.Context, c Config) ([]Check, error) {
	if !c.Director.IsValid() {
		return nil, nil
	}
	answers := slices.ContainsFunc(c.VIPs, func(v VIP) bool { return v.onLoopback() })
	throughDirector := c.SetRoute || slices.ContainsFunc(c.VIPs, func(v VIP) bool { return v.Forwarding == lvs.NAT }) || len(c.VIPs) == 0
	path, err := s.kernel.Devices.Path(outside[lvs.FamilyOf(c.Director)])
	if err != nil {
		return []Check{{Item: "route to the clients", Found: err.Error(), Remedy: "add a default route"}}, nil
	}
	found := "on " + path.Interface
	if path.Via.IsValid() {
		found = fmt.Sprintf("via %s on %s", path.Via, path.Interface)
	}
	check := Check{Item: "route to the clients", OK: true, Found: found}
	switch {
	case throughDirector && path.Via != c.Director:
		check.OK = false
		check.Remedy = command("ip", "route", "replace", "default", "via", c.Director) + " (nat: the answers must pass the director)"
	case !throughDirector && answers && path.Via == c.Director:
		check.OK = false
		check.Remedy = "route past the director: it drops packets that come from its own VIP"
	}
	return []Check{check}, nil
}

// firewallChecks follows the packets of the director into the host.
func (s *Server) firewallChecks(_ context.Context, c Config) ([]Check, error) {
	var checks []Check
	seen := map[string]bool{}
	for _, v := range c.VIPs {
		for _, way := range c.ways(v) {
			if seen[way.name] {
				continue
			}
			seen[way.name] = true
			checks = append(checks, s.firewallCheck(way))
		}
	}
	return checks, nil
}

func (s *Server) firewallCheck(w way) Check {
	check := Check{Item: "firewall for " + w.name, OK: true, Found: "nothing in iptables drops it"}
	by, err := s.kernel.Firewall.Blocked(w.packet)
	switch {
	case err != nil:
		// Without iptables there is nothing of it that drops packets.
		check.Found = "not looked at: " + err.Error()
	case by != "":
		check.OK = false
		check.Found = "dropped by " + by
		check.Remedy = "accept it in the chain INPUT before that rule"
	}
	return check
}
