package integration

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// heard is one advert or ARP packet on the wire.
type heard struct {
	at     time.Time // by the kernel, so that a busy test is none the later
	from   net.HardwareAddr
	source netip.Addr   // who sent the advert, or says in ARP that an address is its own
	advert *vrrp.Advert // nil for ARP
}

// wire is what a host hears of adverts and ARP, whoever they are for. It lies in the
// socket until somebody asks, as with a ticker.
type wire struct {
	fd  int
	all []heard
}

// listen makes a host listen to what its network is told.
func listen(t *testing.T, h *lab.Host, dev string) *wire {
	t.Helper()
	w := &wire{}
	labtest.NoError(t, h.Do(func() (err error) {
		w.fd, err = openWire(dev)
		return err
	}))
	t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

// signals lets adverts over IPv4 and ARP through, so that a busy service does not
// wake who listens to them (socket(7), SO_ATTACH_FILTER).
var signals = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 12}, // the type
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.ETH_P_ARP, Jt: 3},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.ETH_P_IP, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 14 + 9}, // the protocol
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: vrrp.Protocol, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: math.MaxUint32},
	{Code: unix.BPF_RET | unix.BPF_K},
}

func openWire(dev string) (int, error) {
	device, err := net.InterfaceByName(dev)
	if err != nil {
		return 0, err
	}
	everything := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	err = errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(signals)), Filter: &signals[0]}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: device.Index}),
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(device.Index), Type: unix.PACKET_MR_PROMISC}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
	)
	if err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// read takes what has come.
func (w *wire) read() {
	for {
		var frame, control [512]byte
		n, controlled, _, _, err := unix.Recvmsg(w.fd, frame[:], control[:], unix.MSG_DONTWAIT)
		if err != nil {
			return
		}
		if h, ok := parseHeard(frame[:n]); ok {
			h.at = stamp(control[:controlled])
			w.all = append(w.all, h)
		}
	}
}

// stamp is when the kernel took a packet (socket(7), SO_TIMESTAMPNS).
func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 || len(messages[0].Data) < 16 {
		return time.Now()
	}
	d := messages[0].Data
	return time.Unix(int64(binary.NativeEndian.Uint64(d)), int64(binary.NativeEndian.Uint64(d[8:])))
}

// parseHeard takes adverts over IPv4 and ARP from a frame.
func parseHeard(b []byte) (heard, bool) {
	if len(b) < 14+28 {
		return heard{}, false
	}
	h := heard{from: slices.Clone(b[6:12])}
	kind, b := binary.BigEndian.Uint16(b[12:]), b[14:]
	switch {
	case kind == unix.ETH_P_ARP:
		h.source = netip.AddrFrom4([4]byte(b[14:18]))
		return h, true
	case kind == unix.ETH_P_IP && b[9] == vrrp.Protocol:
		end := min(int(binary.BigEndian.Uint16(b[2:])), len(b))
		h.source = netip.AddrFrom4([4]byte(b[12:16]))
		a, err := vrrp.Parse(b[int(b[0]&0xf)*4:end], h.source, netip.AddrFrom4([4]byte(b[16:20])))
		h.advert = &a
		return h, err == nil
	}
	return heard{}, false
}

// reset forgets what was heard.
func (w *wire) reset() {
	w.read()
	w.all = nil
}

// heard is what was heard since the last reset, in order.
func (w *wire) heard() []heard {
	w.read()
	return slices.Clone(w.all)
}

// String is what was heard, a line for each.
func (w *wire) String() string {
	var b strings.Builder
	for _, h := range w.heard() {
		what := fmt.Sprintf("ARP: %s is here", h.source)
		if h.advert != nil {
			what = fmt.Sprintf("advert of %s, priority %d", h.source, h.advert.Priority)
		}
		fmt.Fprintf(&b, "%s from %s: %s\n", h.at.Format("05.000"), h.from, what)
	}
	return b.String()
}

// adverts are those among it that a source has sent as the active router.
func (w *wire) adverts(source netip.Addr) []heard {
	return slices.DeleteFunc(w.heard(), func(h heard) bool {
		return h.advert == nil || h.source != source || h.advert.Priority == vrrp.Released
	})
}

// claims are the ARP packets that say where an address is.
func (w *wire) claims(address netip.Addr) []heard {
	return slices.DeleteFunc(w.heard(), func(h heard) bool { return h.advert != nil || h.source != address })
}

// next waits for the next advert of a source.
func (w *wire) next(t *testing.T, source netip.Addr) time.Time {
	t.Helper()
	seen := len(w.adverts(source))
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if all := w.adverts(source); len(all) > seen {
			return all[seen].at
		}
	}
	t.Fatalf("no advert of %s within %s", source, patience)
	return time.Time{}
}
