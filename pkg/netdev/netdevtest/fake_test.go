package netdevtest_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev/netdevtest"
)

func TestContract(t *testing.T) { netdevtest.Contract(t, netdevtest.New(netdevtest.Link, "lo")) }

func TestTunnelContract(t *testing.T) {
	netdevtest.TunnelContract(t, netdevtest.New(netdevtest.Link, "lo"))
}

func TestFail(t *testing.T) {
	boom := errors.New("boom")
	f := netdevtest.New("lo")
	f.Fail = func(op, _ string) error {
		if op == "add" {
			return boom
		}
		return nil
	}
	a := lvs.Address{AddressKey: lvs.AddressKey{Interface: "lo", Prefix: netip.MustParsePrefix("192.0.2.1/32")}}
	if err := f.Add(a); !errors.Is(err, boom) {
		t.Errorf("got %v, want %v", err, boom)
	}
	if all, _ := f.Addresses(); len(all) != 0 {
		t.Errorf("after a failed add: got %v", all)
	}
}

func TestAnnounced(t *testing.T) {
	f := netdevtest.New("lo")
	a := lvs.Address{AddressKey: lvs.AddressKey{Interface: "lo", Prefix: netip.MustParsePrefix("192.0.2.1/32")}}
	if err := f.Announce(a); err != nil {
		t.Fatal(err)
	}
	want := []lvs.AddressKey{a.AddressKey}
	if diff := cmp.Diff(want, f.Announced(), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
}
