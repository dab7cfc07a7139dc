package integration

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// Adverts that are not what they should be are counted by reason and not
// believed: the director stays active, although all claim a higher priority.
func TestHostileAdverts(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	d := startPlain(t, l.Host("lb1"), fmt.Sprintf(
		"[director]\n\n[vrrp.front]\ninterface = \"eth0\"\nid = 51\nversion = 2\npassword = \"secret\"\nvips = \"%s/32\"\n", lab.VIP4))
	d.becomes("active", true)
	attacker := l.Host("client")
	good := vrrp.Advert{Version: vrrp.V2, VRID: 51, Priority: 254, Interval: time.Second, Password: "secret", Addresses: []netip.Addr{lab.VIP4}}
	tests := []struct {
		reason string
		ttl    int
		change func(*vrrp.Advert)
		damage func([]byte) []byte
	}{
		{"ttl", 254, func(*vrrp.Advert) {}, nil},
		{"vrid", 255, func(a *vrrp.Advert) { a.VRID = 52 }, nil},
		{"version", 255, func(a *vrrp.Advert) { a.Version, a.Password = vrrp.V3, "" }, nil},
		{"authentication", 255, func(a *vrrp.Advert) { a.Password = "guessed" }, nil},
		{"interval", 255, func(a *vrrp.Advert) { a.Interval = 3 * time.Second }, nil},
		{"checksum", 255, func(*vrrp.Advert) {}, func(b []byte) []byte { b[2]--; return b }},
		{"truncated", 255, func(*vrrp.Advert) {}, func(b []byte) []byte { return b[:9] }},
		{"length", 255, func(*vrrp.Advert) {}, func(b []byte) []byte { return append(b, 0, 0, 0, 0) }},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			a := good
			tt.change(&a)
			b := labtest.Must(a.Marshal(attacker.V4, vrrp.Group4))(t)
			if tt.damage != nil {
				b = tt.damage(b)
			}
			before := d.instance("front").Refused[tt.reason]
			labtest.NoError(t, attacker.Do(func() error { return sendRaw(b, tt.ttl) }))
			eventually(t, "it is counted", func() bool { return d.instance("front").Refused[tt.reason] > before })
		})
	}
	if v := d.instance("front"); v.State != "active" || v.Received != 0 {
		t.Errorf("%+v", v)
	}
	b := labtest.Must(good.Marshal(attacker.V4, vrrp.Group4))(t)
	labtest.NoError(t, attacker.Do(func() error { return sendRaw(b, 255) }))
	d.becomes("backup", false) // a good one is believed
}

// sendRaw sends a VRRP packet to the multicast group.
func sendRaw(b []byte, ttl int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, vrrp.Protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.BindToDevice(fd, "eth0"); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, ttl); err != nil {
		return err
	}
	return unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Addr: vrrp.Group4.As4()})
}
