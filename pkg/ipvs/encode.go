package ipvs

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// message starts a message; endMessage needs the place that it returns.
func (w *buffer) message(family uint16, flags uint16, seq uint32, cmd uint8) int {
	at := len(w.b)
	w.b = append(w.b, 0, 0, 0, 0) // the length, known in the end
	w.b = binary.NativeEndian.AppendUint16(w.b, family)
	w.b = binary.NativeEndian.AppendUint16(w.b, unix.NLM_F_REQUEST|flags)
	w.b = binary.NativeEndian.AppendUint32(w.b, seq)
	w.b = append(w.b, 0, 0, 0, 0) // the sender, filled in by the kernel
	w.b = append(w.b, cmd, genlVersion, 0, 0)
	return at
}

func (w *buffer) endMessage(at int) {
	binary.NativeEndian.PutUint32(w.b[at:], uint32(len(w.b)-at))
}

// askAck asks for an answer to the message at a place even if it succeeds.
func (w *buffer) askAck(at int) {
	flags := w.b[at+6:]
	binary.NativeEndian.PutUint16(flags, binary.NativeEndian.Uint16(flags)|unix.NLM_F_ACK)
}

// commands are the kernel's commands for a change of a service and of a server.
var commands = map[lvs.Verb]struct{ service, server uint8 }{
	lvs.Add:    {cmdNewService, cmdNewDest},
	lvs.Set:    {cmdSetService, cmdSetDest},
	lvs.Delete: {cmdDelService, cmdDelDest},
}

func command(c lvs.Change) uint8 {
	if c.Server == nil {
		return commands[c.Verb].service
	}
	return commands[c.Verb].server
}

// change writes the attributes of a change that check has let pass.
func (w *buffer) change(c lvs.Change) {
	at := w.begin(attrService | unix.NLA_F_NESTED)
	w.key(c.Service.Key)
	if c.Server == nil && c.Verb != lvs.Delete {
		w.settings(c.Service.Key.Family(), c.Service.Settings)
	}
	w.end(at)
	if c.Server == nil {
		return
	}
	at = w.begin(attrDest | unix.NLA_F_NESTED)
	w.server(*c.Server)
	w.end(at)
}

func (w *buffer) key(k lvs.ServiceKey) {
	w.uint16(svcFamily, socketFamily(k.Family()))
	if k.Mark != 0 {
		w.uint32(svcMark, k.Mark)
		return
	}
	w.uint16(svcProtocol, uint16(k.Protocol))
	w.address(svcAddress, k.VIP.Addr())
	w.port(svcPort, k.VIP.Port())
}

func (w *buffer) settings(f lvs.Family, s lvs.Settings) {
	w.name(svcScheduler, s.Scheduler)
	if s.Engine != "" {
		w.name(svcEngine, s.Engine)
	}
	at := w.begin(svcFlags) // struct ip_vs_flags: the flags and which of them to set
	w.b = binary.NativeEndian.AppendUint32(w.b, kernelFlags(s))
	w.b = binary.NativeEndian.AppendUint32(w.b, math.MaxUint32)
	w.end(at)
	w.uint32(svcTimeout, uint32(s.Persistence/time.Second))
	w.uint32(svcNetmask, kernelNetmask(f, s.Netmask))
}

// server writes all of a server. The kernel takes the service's family for an
// absent one and ipip for an absent tunnel, so both are always said; a tunnel
// means nothing without TUN, but the kernel would still find fault with it.
func (w *buffer) server(s lvs.Server) {
	tunnel := s.Tunnel
	if s.Forwarding != lvs.TUN {
		tunnel = lvs.Tunnel{}
	}
	w.uint16(destFamily, socketFamily(lvs.FamilyOf(s.Key.Addr())))
	w.address(destAddress, s.Key.Addr())
	w.port(destPort, s.Key.Port())
	w.uint32(destForwarding, uint32(s.Forwarding))
	w.uint32(destWeight, uint32(s.Weight))
	w.uint32(destUpper, s.Upper)
	w.uint32(destLower, s.Lower)
	w.uint8(destTunnelType, uint8(tunnel.Type))
	w.port(destTunnelPort, tunnel.Port)
	w.uint16(destTunnelFlags, uint16(tunnel.Checksum))
}

// kernelFlags adds the flag that Persistence stands for.
func kernelFlags(s lvs.Settings) uint32 {
	if s.Persistence > 0 {
		return uint32(s.Flags) | flagPersistent
	}
	return uint32(s.Flags)
}

// kernelNetmask is a mask in network order for IPv4, the prefix length for IPv6.
func kernelNetmask(f lvs.Family, prefix uint8) uint32 {
	if f == lvs.IPv6 {
		return uint32(prefix)
	}
	var mask [4]byte
	binary.BigEndian.PutUint32(mask[:], ^(uint32(math.MaxUint32) >> prefix))
	return binary.NativeEndian.Uint32(mask[:])
}

// noPrefix stands for an IPv4 mask that is not a prefix, such as 255.0.255.0.
// It is the length of no prefix, so it differs from whatever is wanted.
const noPrefix = 255

// prefixLength is the inverse of kernelNetmask.
func prefixLength(f lvs.Family, netmask uint32) uint8 {
	if f == lvs.IPv6 {
		return uint8(min(netmask, noPrefix))
	}
	var raw [4]byte
	binary.NativeEndian.PutUint32(raw[:], netmask)
	mask := binary.BigEndian.Uint32(raw[:])
	ones := bits.LeadingZeros32(^mask)
	if bits.OnesCount32(mask) != ones {
		return noPrefix
	}
	return uint8(ones)
}
