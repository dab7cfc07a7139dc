package realserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
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
	var checks []Check
	for _, v := range c.VIPs {
		if !v.onLoopback() || !v.Address.Is4() {
			continue
		}
		check, err := s.arpCheck(ctx, v.Address, o.interfaces)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return checks, nil
}

func (s *Server) arpCheck(ctx context.Context, vip netip.Addr, own []netdev.Interface) (Check, error) {
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

// ask gives who answers on any interface: other hosts, and the interface of this
// host that another one of its interfaces hears. An interface that is down hears
// nothing.
func (s *Server) ask(ctx context.Context, ip netip.Addr, own []netdev.Interface) (others []string, self string, err error) {
	answers := make([][]net.HardwareAddr, len(own))
	var all sync.WaitGroup
	for n, l := range own {
		if l.Name != loopback {
			all.Go(func() { answers[n], _ = s.kernel.Devices.ProbeARP(ctx, l.Name, ip, probeTime) })
		}
	}
	all.Wait()
	for _, mac := range slices.Concat(answers...) {
		text := mac.String()
		if at := slices.IndexFunc(own, func(l netdev.Interface) bool { return l.MAC == text }); at >= 0 {
			self = own[at].Name
		} else if !slices.Contains(others, text) {
			others = append(others, text)
		}
	}
	slices.Sort(others)
	return others, self, ctx.Err()
}

// gatewayCheck finds out whether the answers would leave through the director.
func (s *Server) gatewayCheck(ctx context.Context, check Check, director string, own []netdev.Interface) (Check, error) {
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
