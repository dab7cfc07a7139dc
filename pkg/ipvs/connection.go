package ipvs

import (
	"bufio"
	"encoding/binary"
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
	Protocol lvs.Protocol // 0: a template of a firewall mark
	Client   netip.AddrPort
	VIP      netip.AddrPort
	Server   netip.AddrPort
	State    uint16 // of the protocol
	Template bool
	Timeout  uint32 // seconds from now
}

// The states by their numbers (tcp_state_name_table and sctp_state_name_table,
// net/netfilter/ipvs). A datagram's is always 0.
var (
	tcpStates = []string{"NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE",
		"CLOSE_WAIT", "LAST_ACK", "LISTEN", "SYNACK"}
	sctpStates = []string{"NONE", "INIT1", "INIT", "COOKIE_SENT", "COOKIE_REPLIED", "COOKIE_WAIT", "COOKIE",
		"COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECEIVED", "SHUTDOWN_ACK_SENT", "REJECTED", "CLOSED"}
)

// ReadConnections calls f for each connection in the kernel's list. Lines that it
// does not understand, and connections of persistence engines, whose data it would
// have to understand, are left out.
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

// parseConnection reads a line (ip_vs_conn_seq_show, net/netfilter/ipvs/ip_vs_conn.c).
func parseConnection(line string) (c Connection, ok bool) {
	words := strings.Fields(line)
	if len(words) != 9 || words[0] == "Pro" {
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
	c.Template = c.Client.Port() == 0
	state := -1
	switch {
	case c.Template: // IP_VS_CTPL_S_NONE and _ASSURED
		state = slices.Index([]string{"NONE", "ASSURED"}, words[7])
	case c.Protocol == lvs.TCP:
		state = slices.Index(tcpStates, words[7])
	case c.Protocol == lvs.SCTP:
		state = slices.Index(sctpStates, words[7])
	case c.Protocol == lvs.UDP:
		state = 0
	}
	c.State = uint16(state)
	return c, state >= 0
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

// Fields of sync messages, version 1 (net/netfilter/ipvs/ip_vs_sync.c: struct
// ip_vs_sync_mesg, ip_vs_sync_v4 and ip_vs_sync_v6).
const (
	syncHeader    = 8
	syncVersion   = 1
	syncIPv6      = 1      // STYPE_F_INET6
	syncInactive  = 0x0100 // IP_VS_CONN_F_INACTIVE
	syncTemplate  = 0x1000 // IP_VS_CONN_F_TEMPLATE
	maxSyncConns  = 255
	syncLengthAll = 0xfff // SVER_MASK: the length of a connection
)

// SyncMessage collects connections into a message of the kernel's sync protocol.
type SyncMessage struct {
	id    uint8
	limit int
	b     []byte
	count int
}

// NewSyncMessage gives an empty message of a sync id with at most so many bytes.
func NewSyncMessage(id uint8, limit int) *SyncMessage {
	m := &SyncMessage{id: id, limit: limit}
	m.Reset()
	return m
}

// Reset empties the message.
func (m *SyncMessage) Reset() { m.b, m.count = append(m.b[:0], make([]byte, syncHeader)...), 0 }

// Count is how many connections the message has.
func (m *SyncMessage) Count() int { return m.count }

// Add adds a connection and tells whether there was room for it.
func (m *SyncMessage) Add(c Connection) bool {
	size := 24 + 3*c.Client.Addr().BitLen()/8
	if len(m.b)+size > m.limit || m.count == maxSyncConns {
		return false
	}
	kind, flags := byte(0), uint32(0)
	if c.Client.Addr().Is6() {
		kind = syncIPv6
	}
	if c.Template {
		flags |= syncTemplate
	} else if !c.established() {
		flags |= syncInactive
	}
	m.b = append(m.b, kind, byte(c.Protocol))
	m.b = binary.BigEndian.AppendUint16(m.b, uint16(size)&syncLengthAll)
	m.b = binary.BigEndian.AppendUint32(m.b, flags)
	for _, v := range []uint16{c.State, c.Client.Port(), c.VIP.Port(), c.Server.Port()} {
		m.b = binary.BigEndian.AppendUint16(m.b, v)
	}
	m.b = binary.BigEndian.AppendUint32(m.b, 0) // the firewall mark, of which the list says nothing
	m.b = binary.BigEndian.AppendUint32(m.b, c.Timeout)
	for _, a := range []netip.AddrPort{c.Client, c.VIP, c.Server} {
		m.b = append(m.b, a.Addr().AsSlice()...)
	}
	m.count++
	return true
}

func (c Connection) established() bool {
	return c.Protocol == lvs.TCP && tcpStates[c.State] == "ESTABLISHED" ||
		c.Protocol == lvs.SCTP && sctpStates[c.State] == "ESTABLISHED" || c.Protocol == lvs.UDP
}

// Bytes is the message as it goes out, valid until the next call of another
// method.
func (m *SyncMessage) Bytes() []byte {
	m.b[0], m.b[1] = 0, m.id
	binary.BigEndian.PutUint16(m.b[2:], uint16(len(m.b)))
	m.b[4], m.b[5] = byte(m.count), syncVersion
	return m.b
}
