package netdevtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

// VirtualLinks is netdev.Devices.VirtualLinks.
func (f *Fake) VirtualLinks() (map[string]lvs.VirtualLink, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("virtual links", ""); err != nil {
		return nil, err
	}
	return maps.Clone(f.virtual), nil
}

// AddVirtualLink is netdev.Devices.AddVirtualLink.
func (f *Fake) AddVirtualLink(v lvs.VirtualLink) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.fail("add virtual link", v.String())
	switch {
	case err != nil:
		return err
	case f.link(v.Base) < 0:
		return fmt.Errorf("add interface %s: %w", v, unix.ENODEV)
	case f.link(v.Name) >= 0:
		return fmt.Errorf("add interface %s: %w", v, unix.EEXIST)
	}
	f.virtual[v.Name] = v
	f.links = append(f.links, netdev.Interface{Name: v.Name, Index: 100 + len(f.links), Up: true, MTU: 1500, MAC: v.MAC})
	return nil
}

// DeleteVirtualLink is netdev.Devices.DeleteVirtualLink.
func (f *Fake) DeleteVirtualLink(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.fail("delete virtual link", name)
	_, virtual := f.virtual[name]
	switch {
	case err != nil:
		return err
	case f.link(name) < 0:
		return fmt.Errorf("delete interface %s: %w", name, unix.ENODEV)
	case !virtual:
		return fmt.Errorf("delete interface %s: %w", name, unix.EINVAL)
	}
	delete(f.virtual, name)
	f.links = slices.DeleteFunc(f.links, func(l netdev.Interface) bool { return l.Name == name })
	maps.DeleteFunc(f.addresses, func(k lvs.AddressKey, _ lvs.Address) bool { return k.Interface == name })
	return nil
}

func virtualLinks(t *testing.T, d Devices) {
	v := lvs.VirtualLink{Name: "lvsd.51", Base: Link, MAC: "00:00:5e:00:01:33"}
	holds := func(when string, want map[string]lvs.VirtualLink) {
		t.Helper()
		got, err := d.VirtualLinks()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	if err := d.AddVirtualLink(v); err != nil {
		t.Fatal(err)
	}
	holds("added", map[string]lvs.VirtualLink{v.Name: v})
	vip := at(v.Name, "192.0.2.9/32")
	if err := d.Add(vip); err != nil {
		t.Error(err)
	}
	if err := d.Announce(vip); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		name string
		got  error
		want error
	}{
		{"add it again", d.AddVirtualLink(v), unix.EEXIST},
		{"add one on no interface", d.AddVirtualLink(lvs.VirtualLink{Name: "lvsd.52", Base: "nosuch", MAC: v.MAC}), unix.ENODEV},
		{"delete none", d.DeleteVirtualLink("lvsd.52"), unix.ENODEV},
		{"delete another kind", d.DeleteVirtualLink(Link), unix.EINVAL},
		{"delete it", d.DeleteVirtualLink(v.Name), nil},
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	holds("deleted", map[string]lvs.VirtualLink{})
	if _, there := addresses(t, d)[vip.AddressKey]; there {
		t.Error("its address is still there")
	}
}
