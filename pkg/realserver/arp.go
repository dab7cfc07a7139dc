package realserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// probeTime is how long an answer by ARP may take.
const probeTime = 300 * time.Millisecond

// arpChecks asks the network who has each IPv4 VIP. Only the director may answer:
// not this host on one of its own interfaces, not a second host, and not the
// gateway, which would mean that answers leave through the director.
func (s *Server) arpChecks(ctx context.Context, c Config) ([]Check, error) {
	o, err := s.kernel.observe(nil)
	if err != nil {
		return nil, err
	}
	own := map[string]string{} // interface by hardware address
	for _, l := range o.interfaces {
		if l.MAC != "" {
			own[l.MAC] = l.Name
		}
	}
	var checks []Check
	for _, v := range c.VIPs {
		if !v.onLoopback() || !v.Address.Is4() {
			continue
		}
		check, err := s.arpCheck(ctx, c, v.Address, own)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return checks, nil
}

func (s *Server) arpCheck(ctx context.Context, c Config, vip netip.Addr, own map[string]string) (Check, error) {
	check := Check{Item: "ARP for " + vip.String(), OK: true, Found: "nobody answers: no director has it now"}
	others, self, err := s.ask(ctx, vip, own)
	if err != nil {
		return check, err
	}
	switch {
	case self != "":
		check.OK = false
		check.Found = "this host answers on " + self
		check.Remedy = command("sysctl", "-w", "net.ipv4.conf.all.arp_ignore=1")
	case len(others) > 1:
		check.OK = false
		check.Found = "several hosts answer: " + strings.Join(others, ", ")
		check.Remedy = "all but the director must be silent: run `lvsd realserver status` on the others"
	case len(others) == 1:
		check.Found = "the director answers: " + others[0]
		return s.gatewayCheck(ctx, check, others[0], own)
	}
	return check, nil
}

// ask gives who answers on any interface: other hosts, and an interface of this
// host if another of its interfaces hears it.
func (s *Server) ask(ctx context.Context, ip netip.Addr, own map[string]string) (others []string, self string, err error) {
	names := make([]string, 0, len(own))
	for _, name := range own {
		if name != loopback {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		answers, err := s.kernel.Devices.ProbeARP(ctx, name, ip, probeTime)
		if err != nil {
			continue // an interface that is down hears nothing
		}
		for _, mac := range texts(answers) {
			if at, ok := own[mac]; ok {
				self = at
			} else if !slices.Contains(others, mac) {
				others = append(others, mac)
			}
		}
	}
	slices.Sort(others)
	return others, self, ctx.Err()
}

// gatewayCheck finds out whether the answers would leave through the director.
func (s *Server) gatewayCheck(ctx context.Context, check Check, director string, own map[string]string) (Check, error) {
	path, err := s.kernel.Devices.Path(outside[lvs.IPv4])
	if err != nil || !path.Via.Is4() {
		return check, nil
	}
	gateway, _, err := s.ask(ctx, path.Via, own)
	if err != nil {
		return check, err
	}
	if slices.Contains(gateway, director) {
		check.OK = false
		check.Found = fmt.Sprintf("%s, which is also the gateway %s", check.Found, path.Via)
		check.Remedy = "route past the director: it drops packets that come from its own VIP"
	}
	return check, nil
}

func texts(macs []net.HardwareAddr) []string {
	all := make([]string, len(macs))
	for i, m := range macs {
		all[i] = m.String()
	}
	return all
}
