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

// Devices is what netdev.Devices and Fake have in common.
type Devices interface {
	Interfaces() ([]netdev.Interface, error)
	Addresses() (map[lvs.AddressKey]lvs.Address, error)
	Add(lvs.Address) error
	Take(lvs.Address) error
	Delete(lvs.AddressKey) error
	Announce(lvs.Address) error
	VirtualLinks() (map[string]lvs.VirtualLink, error)
	AddVirtualLink(lvs.VirtualLink) error
	DeleteVirtualLink(name string) error
	Detours() (map[lvs.Detour]bool, error)
	AddDetour(lvs.Detour) error
	DeleteDetour(lvs.Detour) error
}

// Link is the interface that Contract needs: up, and without IPv4 addresses.
const Link = "veth0"

// Contract tests what callers may rely on. It needs the interfaces lo and Link,
// with addresses that nobody else changes. It stays on the goroutine, and so in
// the namespace, of its caller.
func Contract(t *testing.T, d Devices) {
	interfaces(t, d)
	comeAndGo(t, d)
	errnos(t, d)
	announce(t, d)
	detours(t, d)
	virtualLinks(t, d)
}

func at(name, prefix string) lvs.Address {
	return lvs.Address{AddressKey: lvs.AddressKey{Interface: name, Prefix: netip.MustParsePrefix(prefix)}}
}

func interfaces(t *testing.T, d Devices) {
	links, err := d.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var up []string
	for _, l := range links {
		if l.Up && l.Index > 0 {
			up = append(up, l.Name)
		}
	}
	if !slices.IsSorted(up) || !slices.Contains(up, "lo") || !slices.Contains(up, Link) {
		t.Errorf("got interfaces %v", up)
	}
}

func comeAndGo(t *testing.T, d Devices) {
	before := addresses(t, d)
	labelled, nodad := at("lo", "192.0.2.1/32"), at(Link, "2001:db8::1/128")
	labelled.Label = "lo:0"
	nodad.NoDAD = true
	want := []lvs.Address{
		labelled, nodad,
		at(Link, "192.0.2.1/24"), // the same address on two interfaces
		at(Link, "192.0.2.2/24"),
		at(Link, "192.0.2.3/24"),
		at(Link, "192.0.2.2/32"), // the same address with another length
		at("lo", "2001:db8::1/128"),
	}
	after := maps.Clone(before)
	for _, a := range want {
		if err := d.Add(a); err != nil {
			t.Fatal(err)
		}
		after[a.AddressKey] = a
	}
	if diff := cmp.Diff(after, addresses(t, d), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	// Link's first address goes while others of its subnet are still there.
	for _, a := range want {
		if err := d.Delete(a.AddressKey); err != nil {
			t.Error(err)
		}
		delete(after, a.AddressKey)
		if diff := cmp.Diff(after, addresses(t, d), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("addresses without %s (-want +got):\n%s", a.AddressKey, diff)
		}
	}
}

func addresses(t *testing.T, d Devices) map[lvs.AddressKey]lvs.Address {
	t.Helper()
	all, err := d.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func errnos(t *testing.T, d Devices) {
	v4, v6 := at(Link, "192.0.2.9/24"), at(Link, "2001:db8::9/64")
	for _, a := range []lvs.Address{v4, v6} {
		if err := d.Add(a); err != nil {
			t.Fatal(err)
		}
		defer d.Delete(a.AddressKey)
	}
	tests := []struct {
		name string
		got  error
		want error
	}{
		{"add ipv4 again", d.Add(v4), unix.EEXIST},
		{"add ipv6 again", d.Add(v6), unix.EEXIST},
		{"add ipv6 again with another length", d.Add(at(Link, "2001:db8::9/128")), unix.EEXIST},
		{"add to no interface", d.Add(at("nosuch", "192.0.2.9/32")), unix.ENODEV},
		{"take ipv4 again", d.Take(v4), unix.EEXIST},
		{"take ipv6 again", d.Take(v6), unix.EEXIST},
		{"take at no interface", d.Take(at("nosuch", "192.0.2.9/32")), unix.ENODEV},
		{"delete absent ipv4", d.Delete(at(Link, "192.0.2.10/24").AddressKey), unix.EADDRNOTAVAIL},
		{"delete ipv4 with another length", d.Delete(at(Link, "192.0.2.9/25").AddressKey), unix.EADDRNOTAVAIL},
		{"delete absent ipv6", d.Delete(at(Link, "2001:db8::a/64").AddressKey), unix.EADDRNOTAVAIL},
		{"delete ipv6 with another length", d.Delete(at(Link, "2001:db8::9/65").AddressKey), unix.EADDRNOTAVAIL},
		{"delete from no interface", d.Delete(at("nosuch", "192.0.2.9/24").AddressKey), unix.ENODEV},
		{"announce at no interface", d.Announce(at("nosuch", "192.0.2.9/32")), unix.ENODEV},
	}
	for _, tt := range tests {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func announce(t *testing.T, d Devices) {
	for _, a := range []lvs.Address{at(Link, "192.0.2.1/32"), at(Link, "2001:db8::1/128"), at("lo", "192.0.2.1/32")} {
		if err := d.Announce(a); err != nil {
			t.Error(err)
		}
		if err := d.Take(a); err != nil {
			t.Error(err)
		}
		if _, there := addresses(t, d)[a.AddressKey]; !there {
			t.Errorf("%s was taken and is not there", a.AddressKey)
		}
		if err := d.Delete(a.AddressKey); err != nil {
			t.Error(err)
		}
	}
}

func detours(t *testing.T, d Devices) {
	detour := func(name string, p lvs.Protocol, from string) lvs.Detour {
		return lvs.Detour{Interface: name, Protocol: p, From: netip.MustParseAddrPort(from), To: netip.MustParseAddr("192.0.2.9")}
	}
	all := map[lvs.Detour]bool{
		detour(Link, lvs.TCP, "192.0.2.1:80"):     true,
		detour(Link, lvs.UDP, "192.0.2.1:80"):     true,
		detour(Link, lvs.TCP, "192.0.2.1:65535"):  true,
		detour(Link, lvs.TCP, "203.0.113.255:80"): true,
	}
	same := func(when string) {
		t.Helper()
		got, err := d.Detours()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(lvs.Detour{})); diff != "" {
			t.Errorf("detours %s (-want +got):\n%s", when, diff)
		}
	}
	for one := range all {
		if err := d.AddDetour(one); err != nil {
			t.Fatal(err)
		}
	}
	same("that were added")
	if err := d.AddDetour(detour("nowhere0", lvs.TCP, "192.0.2.1:80")); !errors.Is(err, unix.ENODEV) {
		t.Errorf("add on a missing interface: got %v, want %v", err, unix.ENODEV)
	}
	for _, one := range slices.SortedFunc(maps.Keys(all), lvs.Detour.Compare) {
		for range 2 { // one that is gone is no error
			if err := d.DeleteDetour(one); err != nil {
				t.Fatal(err)
			}
		}
		delete(all, one)
		same("after one was deleted")
	}
}
