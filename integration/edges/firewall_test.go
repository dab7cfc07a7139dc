package edges

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/firewall"
	"github.com/lvsd/lvsd/pkg/firewall/firewalltest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestFirewallContract(t *testing.T) {
	namespace(t)
	variant(t)
	firewalltest.Contract(t, firewall.New())
}

func TestFirewallLeavesForeignRulesAlone(t *testing.T) {
	namespace(t)
	variant(t)
	for _, tool := range []string{"iptables", "ip6tables"} {
		run(t, tool+" -t nat -N OTHER")
		run(t, tool+" -t nat -A POSTROUTING -j OTHER")
		run(t, tool+" -t nat -A OTHER -j MASQUERADE")
	}
	list := func() string { return run(t, "iptables -t nat -S") + run(t, "ip6tables -t nat -S") }
	before := list()
	f := firewall.New()
	rules := append(lvs.Masquerade(netip.MustParsePrefix("10.0.0.0/8")), lvs.Masquerade(netip.MustParsePrefix("fd00::/8"))...)
	for _, r := range rules {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	wantFirst := "-A POSTROUTING -j LVSD-POSTROUTING\n-A POSTROUTING -j OTHER\n"
	if got := list(); strings.Count(got, wantFirst) != 2 {
		t.Errorf("the jumps do not come first:\n%s", got)
	}
	for _, r := range rules {
		if err := f.Delete(r); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, list()); diff != "" {
		t.Errorf("rules of others (-before +after):\n%s", diff)
	}
}

func TestFirewallKeepsAChainThatOthersUse(t *testing.T) {
	namespace(t)
	variant(t)
	f := firewall.New()
	r := lvs.Masquerade(netip.MustParsePrefix("10.0.0.0/8"))[0]
	if err := f.Add(r); err != nil {
		t.Fatal(err)
	}
	run(t, "iptables -t nat -N OTHER")
	run(t, "iptables -t nat -A OTHER -j LVSD-POSTROUTING")
	before := run(t, "iptables -t nat -S OTHER")
	if err := f.Delete(r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, run(t, "iptables -t nat -S OTHER")); diff != "" {
		t.Errorf("rules of others (-before +after):\n%s", diff)
	}
}

func TestFirewallOfATableThatIsNotLoaded(t *testing.T) {
	namespace(t)
	useIptables(t, "legacy")
	got, err := firewall.New().Rules([]firewall.Table{{Family: lvs.IPv4, Name: "nat"}, {Family: lvs.IPv6, Name: "nat"}})
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	names, err := os.ReadFile("/proc/thread-self/net/ip_tables_names")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if strings.Contains(string(names), "nat") {
		t.Error("listing it has loaded the table nat")
	}
}

func TestFirewallWithoutRulesNeedsNoIptables(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if got, err := firewall.New().Rules(nil); err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestFirewallNamesWhatTheKernelLacks(t *testing.T) {
	namespace(t)
	variant(t)
	r := lvs.Rule{Family: lvs.IPv4, Table: "nat", Chain: "LVSD-POSTROUTING", Spec: "-m nosuchmatch -j MASQUERADE"}
	err := firewall.New().Add(r)
	if err == nil || !strings.Contains(err.Error(), "nosuchmatch") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if got := run(t, "iptables -t nat -S"); strings.Contains(got, "LVSD") {
		t.Errorf("the chain made in vain is still there:\n%s", got)
	}
}

func TestFirewallPrintsServicesAsTheyAreRendered(t *testing.T) {
	run(t, "modprobe ip_vs")
	keys := []string{"tcp 192.0.2.1:80", "udp 192.0.2.1:53", "sctp 192.0.2.1:0", "fwmark 17 ipv4", "tcp [2001:db8::1]:80", "udp [2001:db8::]:0", "fwmark 1 ipv6"}
	namespace(t)
	variant(t)
	f, want := firewall.New(), map[lvs.Rule]int{}
	for _, text := range keys {
		k, err := lvs.ParseServiceKey(text)
		if err != nil {
			t.Fatal(err)
		}
		r := lvs.SNAT(`odd 'name' of "a" \ service`, k)[0]
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
		want[r]++
	}
	got, err := f.Rules(firewall.Tables(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}
