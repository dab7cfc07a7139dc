package firewall

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
)

const listing = `-P PREROUTING ACCEPT
-P POSTROUTING ACCEPT
-N KUBE-POSTROUTING
-N LVSD-POSTROUTING
-N LVSD-EMPTY
-A PREROUTING -m comment --comment "an open quote -j LVSD-POSTROUTING
-A POSTROUTING -j LVSD-POSTROUTING
-A POSTROUTING -m comment --comment "to LVSD-POSTROUTING" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -j LVSD-POSTROUTING
-A LVSD-POSTROUTING -s 10.0.0.0/8 -m comment --comment "lvsd: virtual \"a\\b" -j MASQUERADE
-A LVSD-POSTROUTING -s 10.0.0.0/8 -m comment --comment "lvsd: virtual \"a\\b" -j MASQUERADE
-A LVSD-POSTROUTING
`

var natTable = Table{Family: lvs.IPv4, Name: "nat"}

func TestParseListing(t *testing.T) {
	got, err := parseListing(natTable, listing)
	if err != nil {
		t.Fatal(err)
	}
	rule := func(chain, spec string) lvs.Rule {
		return lvs.Rule{Family: lvs.IPv4, Table: "nat", Chain: chain, Spec: spec}
	}
	want := map[lvs.Rule]int{
		rule("POSTROUTING", "-j LVSD-POSTROUTING"):                                                          1,
		rule("LVSD-POSTROUTING", `-s 10.0.0.0/8 -m comment --comment "lvsd: virtual \"a\\b" -j MASQUERADE`): 2,
		rule("LVSD-POSTROUTING", ""):                                                                        1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

func TestParseListingOfOwnChainBroken(t *testing.T) {
	_, err := parseListing(natTable, "-A LVSD-X -m comment --comment \"open\n")
	want := `read rule of LVSD-X "-m comment --comment \"open": a quotation mark is not closed`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestUsed(t *testing.T) {
	tests := []struct {
		name, chain string
		want        bool
	}{
		{"has rules and jumps", "LVSD-POSTROUTING", true},
		{"neither", "LVSD-EMPTY", false},
		{"is not there", "LVSD-OTHER", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := used(listing, tt.chain); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTables(t *testing.T) {
	rules := map[lvs.Rule]int{
		{Family: lvs.IPv6, Table: "nat", Chain: "a"}:    1,
		{Family: lvs.IPv4, Table: "nat", Chain: "a"}:    1,
		{Family: lvs.IPv4, Table: "nat", Chain: "b"}:    1,
		{Family: lvs.IPv4, Table: "mangle", Chain: "b"}: 1,
	}
	want := []Table{{lvs.IPv4, "mangle"}, {lvs.IPv4, "nat"}, {lvs.IPv6, "nat"}}
	if diff := cmp.Diff(want, Tables(rules)); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

func FuzzSplit(f *testing.F) {
	for line := range strings.Lines(listing) {
		f.Add(strings.TrimSuffix(line, "\n"))
	}
	f.Fuzz(func(t *testing.T, spec string) {
		args, err := split(spec)
		if err != nil {
			return
		}
		again, err := split(join(args))
		if err != nil || !slices.Equal(args, again) {
			t.Errorf("%q: %q was read back as %q, %v", spec, args, again, err)
		}
	})
}

func FuzzParseListing(f *testing.F) {
	f.Add(listing)
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := parseListing(natTable, text)
		if err != nil {
			return
		}
		var b strings.Builder
		b.WriteString("-P POSTROUTING ACCEPT\n")
		for r, n := range rules {
			if !own(r.Chain) {
				r.Chain = "POSTROUTING"
			}
			b.WriteString(strings.Repeat("-A "+r.Chain+" "+r.Spec+"\n", n))
		}
		again, err := parseListing(natTable, b.String())
		if err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		if total(rules) != total(again) {
			t.Errorf("%v was read back as %v", rules, again)
		}
	})
}

func total(rules map[lvs.Rule]int) (n int) {
	for c := range maps.Values(rules) {
		n += c
	}
	return n
}
