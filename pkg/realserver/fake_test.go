package realserver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/firewall/firewalltest"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/netdev/netdevtest"
	"github.com/lvsd/lvsd/pkg/sysctl/sysctltest"
)

// fake is a host in memory with eth0 and eth1, of which the first has 10.0.0.2/24
// and fd00::2/64 and the default routes.
type fake struct {
	*Kernel
	devices  *netdevtest.Fake
	sysctls  *sysctltest.Fake
	firewall *firewalltest.Fake
	dir      string

	mu   sync.Mutex
	fail func(op, what string) error
	kick func()
}

func newFake(t *testing.T) *fake {
	t.Helper()
	values := map[string]string{fallbackKey: "0"}
	for _, name := range []string{"all", "eth0", "eth1", "lvsd-ipip0", "lvsd-gre0"} {
		for _, parameter := range []string{"arp_ignore", "arp_announce", "rp_filter"} {
			values["net.ipv4.conf."+name+"."+parameter] = "0"
		}
	}
	sysctls, err := sysctltest.New(values)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{devices: netdevtest.New("lo", "eth0", "eth1"), sysctls: sysctls, firewall: firewalltest.New(), dir: t.TempDir()}
	for _, p := range []string{"10.0.0.2/24", "fd00::2/64"} {
		f.give(t, "eth0", p)
	}
	for _, r := range []netdev.Route{
		{Dst: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("10.0.0.1")},
		{Dst: netip.MustParsePrefix("::/0"), Via: netip.MustParseAddr("fd00::1")},
	} {
		if err := f.devices.AddRoute(r); err != nil {
			t.Fatal(err)
		}
	}
	f.devices.Fail, f.sysctls.Fail, f.firewall.Fail = f.ask, f.ask, f.ask
	f.Kernel = &Kernel{Devices: f.devices, Sysctls: f.sysctls, Firewall: f.firewall, Modules: noModules{}, Watch: f.watch}
	return f
}

func (f *fake) server() *Server { return New(f.Kernel, f.dir) }

func (f *fake) give(t *testing.T, name, prefix string) {
	t.Helper()
	if err := f.devices.Add(lvs.Address{AddressKey: lvs.AddressKey{Interface: name, Prefix: netip.MustParsePrefix(prefix)}}); err != nil {
		t.Fatal(err)
	}
}

// ask is asked before each operation of the kernel.
func (f *fake) ask(op, what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		return nil
	}
	return f.fail(op, what)
}

func (f *fake) failing(fail func(op, what string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *fake) watch(ctx context.Context, kick func()) error {
	f.mu.Lock()
	f.kick = kick
	f.mu.Unlock()
	<-ctx.Done()
	return nil
}

// writes are the operations that change something.
func writes(op string) bool {
	return !slices.Contains([]string{"interfaces", "list", "read", "probe", "look"}, op)
}

// snapshot is all of the host that can change, as text.
func (f *fake) snapshot(t *testing.T) string {
	t.Helper()
	f.failing(nil)
	interfaces, err1 := f.devices.Interfaces()
	addresses, err2 := f.devices.Addresses()
	tunnels, err3 := f.devices.Tunnels()
	ports, err4 := f.devices.GUEPorts()
	var routes []netdev.Route
	var err5 error
	for _, dst := range []string{"0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"} {
		some, err := f.devices.Routes(netip.MustParsePrefix(dst))
		routes, err5 = append(routes, some...), errors.Join(err5, err)
	}
	rules, err6 := f.firewall.Rules([]firewall.Table{{Family: lvs.IPv4, Name: "mangle"}, {Family: lvs.IPv6, Name: "mangle"}})
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%v\n%v\n%v\n%v\n%v\n%v\n%v", interfaces, addresses, tunnels, ports, routes, rules, f.sysctls.Values())
}

// noModules is a kernel that has none and gets all.
type noModules struct{}

func (noModules) Has(string) (bool, error)           { return false, nil }
func (noModules) Load(context.Context, string) error { return nil }

// Configurations of every kind.

func vip(text string, f lvs.Forwarding, t lvs.Tunnel) VIP {
	return VIP{Address: netip.MustParseAddr(text), Forwarding: f, Tunnel: t}
}

var (
	byDR   = Config{VIPs: []VIP{vip("10.0.0.200", lvs.DR, lvs.Tunnel{}), vip("fd00::200", lvs.DR, lvs.Tunnel{})}}
	byIPIP = Config{VIPs: []VIP{vip("10.0.0.200", lvs.TUN, lvs.Tunnel{}), vip("fd00::200", lvs.TUN, lvs.Tunnel{})}}
	byGUE  = Config{VIPs: []VIP{vip("10.0.0.200", lvs.TUN, lvs.Tunnel{Type: lvs.GUE, Port: 6080}), vip("fd00::200", lvs.TUN, lvs.Tunnel{Type: lvs.GUE, Port: 6080})}}
	byGRE  = Config{VIPs: []VIP{vip("10.0.0.200", lvs.TUN, lvs.Tunnel{Type: lvs.GRE}), vip("fd00::200", lvs.TUN, lvs.Tunnel{Type: lvs.GRE})}}
	byNAT  = Config{Director: netip.MustParseAddr("10.0.0.3"), SetRoute: true}
	every  = map[string]Config{"dr": byDR, "ipip": byIPIP, "gue": byGUE, "gre": byGRE, "nat": byNAT}
)
