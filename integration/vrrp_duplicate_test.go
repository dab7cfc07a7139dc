package integration

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

// A host that claims a VIP without any adverts is seen, told of, and answered, so
// that the neighbours come back.
func TestDuplicateVIP(t *testing.T) {
	l := labtest.New(t, lab.Topology{Directors: 2, RealServers: 1})
	d := startPlain(t, l.Host("lb1"), fmt.Sprintf("[director]\n\n[vrrp.front]\ninterface = \"eth0\"\nid = 51\ninterval = \"100ms\"\n"+
		"vips = [\"%s/32\", \"%s/128\"]\n", lab.VIP4, lab.VIP6))
	d.becomes("active", true)
	thief, client := l.Host("lb2"), l.Host("client")
	ours, theirs := labtest.Must(d.host.MAC("eth0"))(t), labtest.Must(thief.MAC("eth0"))(t)
	for i, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
		prefix := netip.PrefixFrom(vip, vip.BitLen())
		conn := labtest.Must(client.Dial(t.Context(), "udp", netip.AddrPortFrom(vip, 9).String()))(t)
		defer conn.Close()
		home := func() bool {
			_, _ = conn.Write([]byte("where are you?"))
			got, err := client.Neighbour(vip)
			return err == nil && bytes.Equal(got, ours)
		}
		eventually(t, "the client knows the VIP's place", home)
		before := d.instance("front").Claims
		eventually(t, fmt.Sprintf("the claim to %s is seen", vip), func() bool {
			labtest.NoError(t, thief.Do(func() error {
				devices, err := netdev.Open()
				if err != nil {
					return err
				}
				defer devices.Close()
				return devices.Announce(lvs.Address{AddressKey: lvs.AddressKey{Interface: "eth0", Prefix: prefix}})
			}))
			v := d.instance("front")
			return v.Claims > before && v.ClaimedBy == theirs.String()
		})
		eventually(t, "the client comes back", home)
		if n := d.log.count(`kind="split brain"`); n != 1 { // the second VIP is in the same dispute
			t.Errorf("%d: told %d times; the log:\n%s", i, n, d.log)
		}
	}
}
