package realserver

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestFrom(t *testing.T) {
	own, other := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.9")
	key := func(text string) lvs.ServiceKey {
		k, err := lvs.ParseServiceKey(text)
		must(t, err)
		return k
	}
	c := &config.Config{Virtual: []config.Virtual{
		{Name: "web", Keys: []lvs.ServiceKey{key("tcp 10.0.0.200:80")}, Real: []config.Real{
			{Name: "a", Address: own, Forwarding: lvs.DR}, {Name: "b", Address: other, Forwarding: lvs.DR},
		}},
		{Name: "secure", Keys: []lvs.ServiceKey{key("tcp 10.0.0.200:443")}, Real: []config.Real{{Name: "a", Address: own, Forwarding: lvs.DR}}},
		{Name: "far", Keys: []lvs.ServiceKey{key("udp 10.0.0.201:53")}, Real: []config.Real{{Name: "a", Address: own, Forwarding: lvs.TUN}}},
		{Name: "marked", Keys: []lvs.ServiceKey{key("fwmark 1 ipv4")}, Real: []config.Real{{Name: "a", Address: own, Forwarding: lvs.DR}}},
		{Name: "elsewhere", Keys: []lvs.ServiceKey{key("tcp 10.0.0.202:80")}, Real: []config.Real{{Name: "b", Address: other, Forwarding: lvs.DR}}},
	}}
	got, marked, err := newFake(t).server().From(c)
	must(t, err)
	want := "[{10.0.0.200 dr ipip invalid IP [tcp port 80 tcp port 443]} {10.0.0.201 tun ipip 10.0.0.2 [udp port 53]}]"
	if diff := cmp.Diff(want, fmt.Sprint(got.VIPs)); diff != "" {
		t.Errorf("VIPs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"marked"}, marked); diff != "" {
		t.Errorf("marked (-want +got):\n%s", diff)
	}
	if _, _, err := newFake(t).server().From(&config.Config{Virtual: c.Virtual[4:]}); err == nil {
		t.Error("a file without this host: no error")
	}
}
