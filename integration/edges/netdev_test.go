package edges

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/netdev/netdevtest"
)

// devices opens the devices of a new namespace with a pair of interfaces, veth0
// and veth1, both up and without addresses.
func devices(t *testing.T) *netdev.Devices {
	t.Helper()
	namespace(t)
	run(t, "ip link add veth0 type veth peer name veth1")
	for _, name := range []string{"veth0", "veth1"} {
		run(t, "ip link set "+name+" addrgenmode none")
		run(t, "ip link set "+name+" up")
	}
	d, err := netdev.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func address(name, prefix string) lvs.Address {
	return lvs.Address{AddressKey: lvs.AddressKey{Interface: name, Prefix: netip.MustParsePrefix(prefix)}}
}

func TestNetdevContract(t *testing.T) {
	netdevtest.Contract(t, devices(t))
}

func TestNetdevTunnelContract(t *testing.T) {
	for _, module := range []string{"ipip", "sit", "ip6_tunnel", "ip_gre", "ip6_gre", "fou"} {
		run(t, "modprobe "+module)
	}
	netdevtest.TunnelContract(t, devices(t))
}

// Somebody who has the address answers the question for it, and the ARP caches
// stay as they were.
func TestNetdevProbeARP(t *testing.T) {
	d := devices(t)
	for _, setting := range []string{"all/arp_ignore=1", "all/arp_announce=2"} {
		run(t, "sysctl -qw net/ipv4/conf/"+setting)
	}
	vip := netip.MustParseAddr("192.0.2.1")
	ask := func() int {
		answers, err := d.ProbeARP(t.Context(), "veth1", vip, 200*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		return len(answers)
	}
	if err := d.Add(address("lo", "192.0.2.1/32")); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != 0 {
		t.Errorf("%d answers for an address on lo with arp_ignore", got)
	}
	run(t, "sysctl -qw net/ipv4/conf/all/arp_ignore=0")
	if got := ask(); got != 1 {
		t.Errorf("%d answers for an address on lo without arp_ignore", got)
	}
	if got := run(t, "ip neighbour show"); got != "" {
		t.Errorf("the question was remembered:\n%s", got)
	}
	if _, err := d.ProbeARP(t.Context(), "nosuch", vip, time.Second); !errors.Is(err, unix.ENODEV) {
		t.Errorf("got %v, want %v", err, unix.ENODEV)
	}
}

func TestNetdevDeletePutsPromotionBack(t *testing.T) {
	d := devices(t)
	const setting = "/proc/sys/net/ipv4/conf/veth0/promote_secondaries"
	if err := os.WriteFile(setting, []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	first, second := address("veth0", "192.0.2.1/24"), address("veth0", "192.0.2.2/24")
	for _, a := range []lvs.Address{first, second} {
		if err := d.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Delete(first.AddressKey); err != nil {
		t.Fatal(err)
	}
	if all, err := d.Addresses(); all[second.AddressKey] != second {
		t.Errorf("%s went with the first address of its subnet: %v", second.AddressKey, err)
	}
	if got, _ := os.ReadFile(setting); string(got) != "0\n" {
		t.Errorf("promote_secondaries is left at %q", got)
	}
}

func TestNetdevAddressWithoutDADIsUsableAtOnce(t *testing.T) {
	d := devices(t)
	a := address("veth0", "2001:db8::1/64")
	a.NoDAD = true
	if err := d.Add(a); err != nil {
		t.Fatal(err)
	}
	if got := run(t, "ip -6 address show dev veth0"); strings.Contains(got, "tentative") {
		t.Errorf("the address is tentative:\n%s", got)
	}
}

func TestNetdevInterfaceDown(t *testing.T) {
	d := devices(t)
	run(t, "ip link set veth0 down")
	links, err := d.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Name == "veth0" && l.Up {
			t.Error("veth0 is called up")
		}
	}
	if err := d.Announce(address("veth0", "192.0.2.1/32")); !errors.Is(err, unix.ENETDOWN) {
		t.Errorf("announce: got %v, want %v", err, unix.ENETDOWN)
	}
}

func TestNetdevAnnounceCorrectsTheNeighbours(t *testing.T) {
	for _, tt := range []struct{ name, neighbour, ip string }{
		{"ipv4", "192.0.2.254/24", "192.0.2.1"},
		{"ipv6", "2001:db8::fe/64", "2001:db8::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := devices(t)
			mac := strings.Fields(run(t, "ip -brief link show dev veth0"))[2]
			if err := d.Add(address("veth1", tt.neighbour)); err != nil {
				t.Fatal(err)
			}
			run(t, "ip neighbour replace "+tt.ip+" lladdr 02:00:00:00:00:99 dev veth1 nud stale")
			vip := netip.MustParseAddr(tt.ip)
			a := address("veth0", netip.PrefixFrom(vip, vip.BitLen()).String())
			if err := d.Announce(a); err != nil {
				t.Fatal(err)
			}
			eventually(t, "veth1 learns "+mac, func() bool {
				return strings.Contains(run(t, "ip neighbour show "+tt.ip+" dev veth1"), mac)
			})
		})
	}
}

func TestNetdevAnnounceWithoutARP(t *testing.T) {
	d := devices(t)
	run(t, "ip link set veth0 arp off")
	run(t, "ip link set veth0 down")
	if err := d.Announce(address("veth0", "192.0.2.1/32")); err != nil {
		t.Errorf("got %v, want nothing to be sent and no error", err)
	}
}

// eventually waits until the kernel has done what it does in its own time.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

// watch runs Watch in this thread's namespace and gives the kicks. The function
// it returns ends it.
func watch(t *testing.T) (kicks chan struct{}, stop func()) {
	t.Helper()
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	kicks = make(chan struct{})
	began, ended := make(chan error, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		began <- enter(ns)
		ended <- netdev.Watch(ctx, func() {
			select {
			case kicks <- struct{}{}:
			case <-ctx.Done():
			}
		})
	}()
	if err := <-began; err != nil {
		t.Fatal(err)
	}
	return kicks, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestNetdevWatch(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	d := devices(t)
	kicks, stop := watch(t)
	defer stop()
	flap := func() {
		a := address("veth0", "192.0.2.1/32")
		if err := errors.Join(d.Add(a), d.Delete(a.AddressKey)); err != nil {
			t.Fatal(err)
		}
	}
	for seen := false; !seen; { // Watch may not have subscribed yet
		flap()
		select {
		case <-kicks:
			seen = true
		default:
		}
	}
	drain(kicks)
	run(t, "ip link set veth0 down")
	<-kicks
}

func TestNetdevWatchOutlivesLostMessages(t *testing.T) {
	d := devices(t)
	kicks, stop := watch(t)
	defer stop()
	var batch strings.Builder
	for i := range 4096 {
		fmt.Fprintf(&batch, "address add 10.1.%d.%d/32 dev veth0\n", i/256, i%256)
	}
	file := filepath.Join(t.TempDir(), "batch")
	if err := os.WriteFile(file, []byte(batch.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "ip -batch "+file) // nobody takes the kicks: the socket overflows
	drain(kicks)
	if err := d.Add(address("veth0", "192.0.2.1/32")); err != nil {
		t.Fatal(err)
	}
	<-kicks
}

// drain takes kicks until none has come for a while.
func drain(kicks <-chan struct{}) {
	for {
		select {
		case <-kicks:
		case <-time.After(200 * time.Millisecond):
			return
		}
	}
}

// An interface may have alternative names, by which the kernel finds it too. Its
// addresses are listed by the name alone, so that one added by another name would
// never be seen.
func TestNetdevAlternativeName(t *testing.T) {
	d := devices(t)
	run(t, "ip link property add dev veth0 altname enp0s0")
	err := d.Add(address("enp0s0", "192.0.2.9/24"))
	if !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "veth0") {
		t.Errorf("got %v, want an error that names veth0", err)
	}
	if got := run(t, "ip -4 address show dev veth0"); strings.Contains(got, "192.0.2.9") {
		t.Errorf("the address was added:\n%s", got)
	}
}
