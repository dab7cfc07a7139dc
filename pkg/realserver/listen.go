package realserver

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// portChecks looks for the services.
func (s *Server) portChecks(_ context.Context, c Config) ([]Check, error) {
	var checks []Check
	for _, v := range c.VIPs {
		for _, p := range v.Ports {
			if v.Forwarding == lvs.NAT || p.Protocol == lvs.SCTP {
				continue // nat: its address is not the VIP's; sctp: the kernel lists no such sockets here
			}
			listeners, err := listening(p)
			if err != nil {
				return nil, err
			}
			checks = append(checks, portCheck(v.Address, p, listeners))
		}
	}
	return checks, nil
}

func portCheck(vip netip.Addr, p config.Port, listeners []netip.Addr) Check {
	check := Check{Item: fmt.Sprintf("service at %s %s", vip, p), OK: true, Found: "it listens"}
	wide := netip.IPv6Unspecified() // takes IPv4 too, unless the service says otherwise
	if slices.Contains(listeners, vip) || slices.Contains(listeners, wide) ||
		vip.Is4() && slices.Contains(listeners, netip.IPv4Unspecified()) {
		return check
	}
	check.OK = false
	check.Found = "nothing listens"
	if len(listeners) > 0 {
		words := make([]string, len(listeners))
		for i, a := range listeners {
			words[i] = a.String()
		}
		check.Found = "it listens only on " + strings.Join(words, ", ")
	}
	check.Remedy = fmt.Sprintf("make the service listen on %s or on every address", vip)
	return check
}

// listening gives the addresses at which sockets wait on a port.
func listening(p config.Port) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, suffix := range []string{"", "6"} {
		table, err := os.ReadFile("/proc/thread-self/net/" + p.Protocol.String() + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
		all = append(all, parseSockets(string(table), p)...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

// The states of waiting sockets in /proc/net/tcp and /proc/net/udp
// (include/net/tcp_states.h).
const (
	tcpListen = "0A"
	udpBound  = "07"
)

// parseSockets reads a table such as /proc/net/tcp: after a line of titles, each
// line has a number, the local address and port, the remote ones and the state.
func parseSockets(table string, p config.Port) []netip.Addr {
	state := tcpListen
	if p.Protocol == lvs.UDP {
		state = udpBound
	}
	var all []netip.Addr
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != state {
			continue
		}
		address, port, _ := strings.Cut(fields[1], ":")
		number, err := strconv.ParseUint(port, 16, 16)
		if ip, ok := parseHex(address); ok && err == nil && uint16(number) == p.Number {
			all = append(all, ip)
		}
	}
	return all
}

// parseHex reads an address as the kernel prints it: words of 32 bits in the order
// of the machine.
func parseHex(s string) (netip.Addr, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b)%4 != 0 {
		return netip.Addr{}, false
	}
	for word := range slices.Chunk(b, 4) {
		binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
	}
	return netip.AddrFromSlice(b)
}
