package ipvs

import (
	"encoding/binary"
	"net/netip"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Fields of sync messages, version 1 (net/netfilter/ipvs/ip_vs_sync.c: struct
// ip_vs_sync_mesg, ip_vs_sync_v4 and ip_vs_sync_v6).
const (
	syncHeader     = 8
	syncVersion    = 1
	syncIPv6       = 1      // STYPE_F_INET6
	syncNoOutput   = 0x0080 // IP_VS_CONN_F_NOOUTPUT
	syncInactive   = 0x0100 // IP_VS_CONN_F_INACTIVE
	syncTemplate   = 0x1000 // IP_VS_CONN_F_TEMPLATE
	syncEngineData = 2      // IPVS_OPT_PE_DATA
	syncEngineName = 3      // IPVS_OPT_PE_NAME
	maxSyncConns   = 255
	syncLengthAll  = 0xfff // SVER_MASK: the length of a connection
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
	if c.Engine != "" {
		size += 4 + len(c.EngineData) + len(c.Engine)
	}
	pad := -len(m.b) & 3 // connections begin at multiples of four
	if len(m.b)+pad+size > m.limit || m.count == maxSyncConns {
		return false
	}
	m.b = append(m.b, make([]byte, pad)...)
	kind, flags := byte(0), uint32(c.Forwarding)
	if c.Client.Addr().Is6() {
		kind = syncIPv6
	}
	if c.Forwarding == lvs.DR || c.Forwarding == lvs.TUN {
		flags |= syncNoOutput
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
	m.b = binary.BigEndian.AppendUint32(m.b, c.Mark)
	m.b = binary.BigEndian.AppendUint32(m.b, c.Timeout)
	for _, a := range []netip.AddrPort{c.Client, c.VIP, c.Server} {
		m.b = append(m.b, a.Addr().AsSlice()...)
	}
	if c.Engine != "" {
		m.b = append(append(m.b, syncEngineData, byte(len(c.EngineData))), c.EngineData...)
		m.b = append(append(m.b, syncEngineName, byte(len(c.Engine))), c.Engine...)
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
