package lab_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// A made datagram arrives like any other, whole or in fragments; so its checksums are right.
func TestSendFrames(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	client, director := l.Host("client"), l.Host("lb1")
	conn := labtest.Must(director.ListenPacket("udp4", ":5000"))(t)
	defer conn.Close()
	whole := lab.Frame{
		From: labtest.Must(client.MAC("eth0"))(t), To: labtest.Must(director.MAC("eth0"))(t),
		Source: netip.MustParseAddrPort("10.0.1.77:4000"), Target: netip.AddrPortFrom(director.V4, 5000),
		UDP: true, Payload: []byte("12345678"),
	}
	datagram := whole.Bytes()[34:]
	first, last := whole, whole
	first.ID, first.MoreFragments, first.Raw = 7, true, datagram[:8]
	last.ID, last.Fragment, last.Raw = 7, 1, datagram[8:]
	frames := [][]byte{whole.Bytes(), first.Bytes(), last.Bytes()}
	labtest.NoError(t, client.SendFrames("eth0", 1000, len(frames), func(i int) []byte { return frames[i] }))
	b := make([]byte, 100)
	for range 2 {
		labtest.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
		n, from, err := conn.ReadFrom(b)
		labtest.NoError(t, err)
		if got := string(b[:n]) + " " + from.String(); got != "12345678 10.0.1.77:4000" {
			t.Errorf("got %q", got)
		}
	}
}
