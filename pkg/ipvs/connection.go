package ipvs

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// ConnectionsPath is where the kernel lists the connections of the network
// namespace of whoever opens it.
const ConnectionsPath = "/proc/net/ip_vs_conn"

// Connection is one that the kernel has, or a template by which a persistent
// client finds its real server again.
type Connection struct {
	Protocol   lvs.Protocol // 0: a template of a firewall mark
	Client     netip.AddrPort
	VIP        netip.AddrPort // a mark's template has the mark in the first four bytes of its address
	Server     netip.AddrPort
	State      uint16 // of the protocol
	Template   bool
	Timeout    uint32         // seconds from now
	Engine     string         // of persistence, in its templates, or ""
	EngineData string         // by which the engine knows the client: for sip the Call-ID
	Mark       uint32         // of the service; the list does not say it
	Forwarding lvs.Forwarding // nor this
}

// The states by their numbers (tcp_state_name_table and sctp_state_name_table,
// net/netfilter/ipvs). A datagram's is always 0.
var (
	tcpStates = []string{"NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE",
		"CLOSE_WAIT", "LAST_ACK", "LISTEN", "SYNACK"}
	sctpStates = []string{"NONE", "INIT1", "INIT", "COOKIE_SENT", "COOKIE_REPLIED", "COOKIE_WAIT", "COOKIE",
		"COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECEIVED", "SHUTDOWN_ACK_SENT", "REJECTED", "CLOSED"}
)

// Lengths in bytes (IP_VS_PENAME_MAXLEN, IP_VS_PEDATA_MAXLEN).
const (
	maxEngine     = 16
	maxEngineData = 255
)

// ReadConnections calls f for each connection in the kernel's list. Lines that it
// does not understand are left out.
func ReadConnections(r io.Reader, f func(Connection) error) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		c, ok := parseConnection(lines.Text())
		if !ok {
			continue
		}
		if err := f(c); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the list of connections: %w", err)
	}
	return nil
}

// columns are those of every line, without the engine's.
const columns = 9

// parseConnection reads a line (ip_vs_conn_seq_show, net/netfilter/ipvs/ip_vs_conn.c).
func parseConnection(line string) (c Connection, ok bool) {
	words, engine := cut(line)
	if len(words) != columns || words[0] == "Pro" {
		return c, false
	}
	var errs [5]error
	c.Client, errs[0] = parseHex(words[1], words[2])
	c.VIP, errs[1] = parseHex(words[3], words[4])
	c.Server, errs[2] = parseHex(words[5], words[6])
	var timeout uint64
	timeout, errs[3] = strconv.ParseUint(words[8], 10, 32)
	c.Timeout = uint32(timeout)
	if words[0] != "IP" {
		c.Protocol, errs[4] = lvs.ParseProtocol(strings.ToLower(words[0]))
	}
	for _, err := range errs {
		if err != nil {
			return c, false
		}
	}
	sameFamily := c.VIP.Addr().BitLen() == c.Client.Addr().BitLen() && c.Server.Addr().BitLen() == c.Client.Addr().BitLen()
	c.Template = c.Client.Port() == 0
	known := c.setState(words[7])
	return c, known && sameFamily && c.setEngine(engine)
}

// cut gives the words of the first columns and what follows them.
func cut(line string) (words []string, rest string) {
	rest = line
	for len(words) < columns {
		rest = strings.TrimLeft(rest, " ")
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		if word == "" {
			return words, ""
		}
		words = append(words, word)
	}
	return words, rest
}

func (c *Connection) setState(word string) (known bool) {
	state := -1
	switch {
	case c.Template: // IP_VS_CTPL_S_NONE and _ASSURED
		state = slices.Index([]string{"NONE", "ASSURED"}, word)
	case c.Protocol == lvs.TCP:
		state = slices.Index(tcpStates, word)
	case c.Protocol == lvs.SCTP:
		state = slices.Index(sctpStates, word)
	case c.Protocol == lvs.UDP:
		state = 0
	}
	c.State = uint16(max(state, 0))
	return state >= 0
}

// setEngine reads the name of the engine and its data, in which there may be
// anything but the end of a line.
func (c *Connection) setEngine(text string) (valid bool) {
	if text == "" {
		return true
	}
	c.Engine, c.EngineData, _ = strings.Cut(text, " ")
	return c.Engine != "" && len(c.Engine) <= maxEngine && c.EngineData != "" && len(c.EngineData) <= maxEngineData
}

// parseHex reads an address, which is hexadecimal with IPv4, and a port.
func parseHex(addr, port string) (netip.AddrPort, error) {
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if b, err := hex.DecodeString(addr); err == nil && len(b) == 4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), uint16(p)), nil
	}
	a, err := netip.ParseAddr(strings.Trim(addr, "[]"))
	return netip.AddrPortFrom(a, uint16(p)), err
}
