package firewalltest

import (
	"errors"
	"io/fs"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Firewall is what firewall.Firewall and Fake have in common.
type Firewall interface {
	Rules([]firewall.Table) (map[lvs.Rule]int, error)
	Add(lvs.Rule) error
	Delete(lvs.Rule) error
}

// Contract tests what callers may rely on. It needs an empty firewall that
// nobody else changes.
func Contract(t *testing.T, f Firewall) {
	rules := append(
		lvs.Masquerade(netip.MustParsePrefix("192.168.188.0/24")),
		lvs.Masquerade(netip.MustParsePrefix("fd00:188::/64"))...,
	)
	want := map[lvs.Rule]int{}
	for _, r := range rules {
		want[r]++
	}
	tables := firewall.Tables(want)
	expect := func(what string, want map[lvs.Rule]int) {
		t.Helper()
		got, err := f.Rules(tables)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s: rules (-want +got):\n%s", what, diff)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	expect("nothing added", map[lvs.Rule]int{})
	for _, r := range rules {
		do(f.Add(r))
	}
	expect("each comes back as it was written", want)

	do(f.Add(rules[0]))
	want[rules[0]] = 2
	expect("added again it stands there twice", want)

	do(f.Delete(rules[0]))
	want[rules[0]] = 1
	expect("deleted, once", want)

	absent := rules[0]
	absent.Spec = "-s 203.0.113.0/24 " + absent.Spec[len("-s 192.168.188.0/24 "):]
	if err := f.Delete(absent); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("delete a rule that is not there: got %v, want %v", err, fs.ErrNotExist)
	}
	foreign := lvs.Rule{Family: lvs.IPv4, Table: "nat", Chain: "POSTROUTING", Spec: "-j MASQUERADE"}
	if f.Add(foreign) == nil || f.Delete(foreign) == nil {
		t.Error("a rule outside lvsd's chains was accepted")
	}
	expect("errors change nothing", want)

	if got, err := f.Rules(nil); err != nil || len(got) != 0 {
		t.Errorf("no table asked for: got %v, %v", got, err)
	}
	for _, r := range rules {
		do(f.Delete(r))
	}
	expect("everything deleted", map[lvs.Rule]int{})
}
