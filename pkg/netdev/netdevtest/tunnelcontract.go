package netdevtest

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

// TunnelDevices is what netdev.Devices and Fake have in common about tunnels and
// routes.
type TunnelDevices interface {
	Devices
	Tunnels() (map[string]netdev.Tunnel, error)
	AddTunnel(netdev.Tunnel) error
	DeleteTunnel(name string) error
	SetUp(name string) error
	GUEPorts() ([]netdev.GUEPort, error)
	AddGUEPort(netdev.GUEPort) error
	DeleteGUEPort(netdev.GUEPort) error
	Path(netip.Addr) (netdev.Path, error)
	Routes(dst netip.Prefix) ([]netdev.Route, error)
	AddRoute(netdev.Route) error
	DeleteRoute(netdev.Route) error
}

// TunnelContract tests what callers may rely on about tunnels and routes, as
// Contract does; the kernel's tunnel modules must be loaded.
func TunnelContract(t *testing.T, d TunnelDevices) {
	tunnels(t, d)
	guePorts(t, d)
	routes(t, d)
}

func tunnels(t *testing.T, d TunnelDevices) {
	before, err := d.Tunnels()
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	want := maps.Clone(before)
	for _, tunnel := range []netdev.Tunnel{
		{Name: "t1", Kind: netdev.IPIP, Local: v4},
		{Name: "t2", Kind: netdev.SIT, Local: v4},
		{Name: "t3", Kind: netdev.IP6TNL, Local: v6},
		{Name: "t4", Kind: netdev.GRE, Local: v4},
		{Name: "t5", Kind: netdev.IP6GRE, Local: v6},
	} {
		if err := errors.Join(d.AddTunnel(tunnel), d.SetUp(tunnel.Name), d.SetUp(tunnel.Name)); err != nil {
			t.Fatal(err)
		}
		want[tunnel.Name] = tunnel
	}
	got, err := d.Tunnels()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); err != nil || diff != "" {
		t.Errorf("tunnels (-want +got):\n%s%v", diff, err)
	}
	for _, tt := range []struct {
		name string
		got  error
		want error
	}{
		{"the name is taken", d.AddTunnel(netdev.Tunnel{Name: "t1", Kind: netdev.IPIP, Local: netip.MustParseAddr("192.0.2.2")}), unix.EEXIST},
		{"the local address is taken", d.AddTunnel(netdev.Tunnel{Name: "t9", Kind: netdev.IPIP, Local: v4}), unix.EEXIST},
		{"set nothing up", d.SetUp("nosuch"), unix.ENODEV},
		{"delete nothing", d.DeleteTunnel("nosuch"), unix.ENODEV},
		{"delete another kind of interface", d.DeleteTunnel(Link), unix.EINVAL},
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	for _, name := range []string{"t1", "t2", "t3", "t4", "t5"} {
		if err := d.DeleteTunnel(name); err != nil {
			t.Error(err)
		}
	}
	if got, _ := d.Tunnels(); len(got) != len(before) {
		t.Errorf("left over: %v", got)
	}
}

func guePorts(t *testing.T, d TunnelDevices) {
	want := []netdev.GUEPort{{Family: lvs.IPv4, Port: 6080}, {Family: lvs.IPv6, Port: 6080}}
	for _, p := range want {
		if err := d.AddGUEPort(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.AddGUEPort(want[0]); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("add a port twice: got %v, want %v", err, unix.EADDRINUSE)
	}
	if got, err := d.GUEPorts(); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, p := range want {
		if err := d.DeleteGUEPort(p); err != nil {
			t.Error(err)
		}
	}
	if err := d.DeleteGUEPort(want[0]); !errors.Is(err, unix.EINVAL) {
		t.Errorf("delete a port twice: got %v, want %v", err, unix.EINVAL)
	}
}

func routes(t *testing.T, d TunnelDevices) {
	own := at(Link, "192.0.2.1/24")
	if err := d.Add(own); err != nil {
		t.Fatal(err)
	}
	defer d.Delete(own.AddressKey)
	far, via := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("192.0.2.254")
	r := netdev.Route{Dst: netip.MustParsePrefix("128.0.0.0/1"), Via: via}
	expectPath := func(dst netip.Addr, want netdev.Path, wantErr error) {
		t.Helper()
		if got, err := d.Path(dst); got != want || !errors.Is(err, wantErr) {
			t.Errorf("path to %s: got %+v, %v, want %+v, %v", dst, got, err, want, wantErr)
		}
	}
	expectPath(far, netdev.Path{}, unix.ENETUNREACH)
	source := own.Prefix.Addr()
	expectPath(via, netdev.Path{Interface: Link, Source: source}, nil)
	expectPath(source, netdev.Path{Interface: "lo", Source: source, Local: true}, nil)
	if err := d.AddRoute(r); err != nil {
		t.Fatal(err)
	}
	expectPath(far, netdev.Path{Interface: Link, Via: via, Source: source}, nil)
	if got, err := d.Routes(r.Dst); err != nil || !slices.Equal(got, []netdev.Route{r}) {
		t.Errorf("got %v, %v, want %v", got, err, r)
	}
	if err := d.AddRoute(r); !errors.Is(err, unix.EEXIST) {
		t.Errorf("add a route twice: got %v, want %v", err, unix.EEXIST)
	}
	if err := d.DeleteRoute(r); err != nil {
		t.Error(err)
	}
	if err := d.DeleteRoute(r); !errors.Is(err, unix.ESRCH) {
		t.Errorf("delete a route twice: got %v, want %v", err, unix.ESRCH)
	}
	if got, err := d.Routes(r.Dst); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want none", got, err)
	}
}
