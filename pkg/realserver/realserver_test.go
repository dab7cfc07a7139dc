package realserver

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestPlan(t *testing.T) {
	for name, c := range every {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			steps, err := f.server().Plan(c)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".plan", Text(steps))
		})
	}
}

// golden compares a text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestSetupTwiceThenTeardown(t *testing.T) {
	for name, c := range every {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			before := f.snapshot(t)
			s := f.server()
			planned, err := s.Plan(c)
			if err != nil {
				t.Fatal(err)
			}
			steps, err := s.Setup(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Text(planned), Text(steps)); diff != "" {
				t.Errorf("the setup did something else than the plan (-plan +setup):\n%s", diff)
			}
			if steps, err := s.Setup(t.Context(), c); err != nil || len(steps) != 0 {
				t.Errorf("the second setup: %v, %v", steps, err)
			}
			if notes, err := s.Teardown(); err != nil || len(notes) != 0 {
				t.Errorf("teardown: %v, %v", notes, err)
			}
			if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
				t.Errorf("the host after teardown (-before +after):\n%s", diff)
			}
			if _, err := os.Stat(filepath.Join(f.dir, "realserver.json")); err == nil {
				t.Error("the state file is still there")
			}
		})
	}
}

var errFake = errors.New("fake")

// after gives a function that counts writes and does something at the nth.
func after(n int, do func() error) func(op, what string) error {
	return func(op, _ string) error {
		if !writes(op) {
			return nil
		}
		if n--; n >= 0 {
			return nil
		}
		return do()
	}
}

// A step that fails leaves the host as it was.
func TestSetupRollsBack(t *testing.T) {
	for name, c := range every {
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				f := newFake(t)
				before := f.snapshot(t)
				once := true
				f.failing(after(n, func() error {
					if !once {
						return nil
					}
					once = false
					return errFake
				}))
				_, err := f.server().Setup(t.Context(), c)
				if err == nil && once {
					return // it took fewer than n writes
				}
				if err == nil {
					continue // where a failure does not matter: the fallback devices
				}
				if !errors.Is(err, errFake) {
					t.Fatalf("write %d: %v", n, err)
				}
				if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
					t.Fatalf("write %d fails (-before +after):\n%s", n, diff)
				}
			}
		})
	}
}

// died runs something that is killed at the nth write, and tells whether it was.
func died(f *fake, n int, run func()) (killed bool) {
	type kill struct{}
	defer func() {
		f.failing(nil)
		if r := recover(); r != nil {
			if _, ok := r.(kill); !ok {
				panic(r)
			}
			killed = true
		}
	}()
	f.failing(after(n, func() error { panic(kill{}) }))
	run()
	return false
}

// Killed anywhere, a setup can be completed or undone, and so can a teardown.
func TestKilledAnywhere(t *testing.T) {
	for name, c := range every {
		t.Run(name, func(t *testing.T) {
			whole := newFake(t)
			before := whole.snapshot(t)
			must(t, setup(whole, c))
			ready := whole.snapshot(t)

			for n, again := 0, true; again; n++ {
				for _, complete := range []bool{true, false} {
					f := newFake(t)
					again = died(f, n, func() { _ = setup(f, c) })
					if complete {
						must(t, setup(f, c))
						if diff := cmp.Diff(ready, f.snapshot(t)); diff != "" {
							t.Fatalf("killed at write %d, then set up (-want +got):\n%s", n, diff)
						}
					}
					teardown(t, f)
					if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
						t.Fatalf("killed at write %d, complete=%t, then torn down (-want +got):\n%s", n, complete, diff)
					}
				}
			}
			for n, again := 0, true; again; n++ {
				f := newFake(t)
				must(t, setup(f, c))
				again = died(f, n, func() { _, _ = f.server().Teardown() })
				teardown(t, f)
				if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
					t.Fatalf("teardown killed at write %d (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

func setup(f *fake, c Config) error {
	_, err := f.server().Setup(context.Background(), c)
	return err
}

func teardown(t *testing.T, f *fake) {
	t.Helper()
	if notes, err := f.server().Teardown(); err != nil || len(notes) != 0 {
		t.Fatalf("teardown: %v, %v", notes, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSetupRepairsWithoutForgettingWhatWasBefore(t *testing.T) {
	f := newFake(t)
	before := f.snapshot(t)
	must(t, setup(f, byDR))
	must(t, f.sysctls.Write("net.ipv4.conf.all.arp_ignore", "3"))
	must(t, f.devices.Delete(lvs.AddressKey{Interface: "lo", Prefix: netip.MustParsePrefix("10.0.0.200/32")}))
	steps, err := f.server().Setup(t.Context(), byDR)
	if err != nil || len(steps) != 2 {
		t.Errorf("got %v, %v, want 2 repairs", steps, err)
	}
	teardown(t, f)
	if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
		t.Errorf("the host after teardown (-before +after):\n%s", diff)
	}
}

// A repair that fails keeps what it found, and the memory of what was before.
func TestRepairThatFails(t *testing.T) {
	f := newFake(t)
	before := f.snapshot(t)
	must(t, setup(f, byDR))
	must(t, f.sysctls.Write("net.ipv4.conf.all.arp_ignore", "3"))
	must(t, f.devices.Delete(lvs.AddressKey{Interface: "lo", Prefix: netip.MustParsePrefix("10.0.0.200/32")}))
	f.failing(func(op, _ string) error {
		if op == "add" {
			return errFake
		}
		return nil
	})
	if err := setup(f, byDR); !errors.Is(err, errFake) {
		t.Fatalf("got %v, want %v", err, errFake)
	}
	f.failing(nil)
	if got, _ := f.sysctls.Read("net.ipv4.conf.all.arp_ignore"); got != "3" {
		t.Errorf("arp_ignore is %s, want 3 as it was found", got)
	}
	must(t, setup(f, byDR))
	teardown(t, f)
	if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
		t.Errorf("the host after teardown (-before +after):\n%s", diff)
	}
}

func TestTeardownLeavesWhatSomebodyChanged(t *testing.T) {
	f := newFake(t)
	must(t, setup(f, byDR))
	must(t, f.sysctls.Write("net.ipv4.conf.eth0.arp_ignore", "8"))
	notes, err := f.server().Teardown()
	want := []string{`net.ipv4.conf.eth0.arp_ignore was changed to "8" since: it is left so (it was "0" before the setup)`}
	if diff := cmp.Diff(want, notes); err != nil || diff != "" {
		t.Errorf("notes (-want +got):\n%s%v", diff, err)
	}
	if got, _ := f.sysctls.Read("net.ipv4.conf.eth0.arp_ignore"); got != "8" {
		t.Errorf("the value is %s, want 8", got)
	}
}

func TestSetupLeavesAloneWhatWasThere(t *testing.T) {
	f := newFake(t)
	f.give(t, "lo", "10.0.0.200/32")
	must(t, f.sysctls.Write("net.ipv4.conf.all.arp_ignore", "2"))
	before := f.snapshot(t)
	must(t, setup(f, byDR))
	teardown(t, f)
	if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
		t.Errorf("the host after teardown (-before +after):\n%s", diff)
	}
}

func TestSetupTakesAwayWhatIsNoLongerWanted(t *testing.T) {
	f := newFake(t)
	before := f.snapshot(t)
	must(t, setup(f, byGRE))
	must(t, setup(f, byDR))
	direct := newFake(t)
	must(t, setup(direct, byDR))
	if diff := cmp.Diff(direct.snapshot(t), f.snapshot(t)); diff != "" {
		t.Errorf("gre, then dr (-dr +got):\n%s", diff)
	}
	teardown(t, f)
	if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
		t.Errorf("the host after teardown (-before +after):\n%s", diff)
	}
}

func TestTwoAtOnce(t *testing.T) {
	f := newFake(t)
	st, err := openState(f.dir)
	must(t, err)
	defer st.close()
	if err := setup(f, byDR); err == nil || !strings.Contains(err.Error(), "another `lvsd realserver` is at work") {
		t.Errorf("got %v", err)
	}
}

func TestBrokenState(t *testing.T) {
	for name, text := range map[string]string{"cut off": `{"Items": [`, "unknown": `{"Items": [{}]}`, "binary": "\x00"} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			must(t, os.WriteFile(filepath.Join(f.dir, "realserver.json"), []byte(text), 0o600))
			before := f.snapshot(t)
			if err := setup(f, byDR); err == nil {
				t.Error("setup: no error")
			}
			if _, err := f.server().Teardown(); err == nil {
				t.Error("teardown: no error")
			}
			if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
				t.Errorf("the host (-before +after):\n%s", diff)
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	dr := func(text string) Config { return Config{VIPs: []VIP{vip(text, lvs.DR, lvs.Tunnel{})}} }
	tests := []struct {
		name   string
		config Config
		host   func(*fake)
		want   string
	}{
		{name: "nothing", want: "no VIP is given"},
		{name: "no address", config: Config{VIPs: []VIP{{Forwarding: lvs.DR}}}, want: "a VIP is missing its address"},
		{name: "own", config: dr("10.0.0.2"), want: "VIP 10.0.0.2 is an address of eth0: there it would be announced to the network; delete it with `ip address del 10.0.0.2/24 dev eth0`"},
		{name: "broadcast of the subnet", config: dr("10.0.0.255"), want: "VIP 10.0.0.255 is the network's or the broadcast address of 10.0.0.0/24 on eth0"},
		{name: "the subnet itself", config: dr("10.0.0.0"), want: "VIP 10.0.0.0 is the network's or the broadcast address of 10.0.0.0/24 on eth0"},
		{name: "broadcast", config: dr("255.255.255.255"), want: "VIP 255.255.255.255: it is not a unicast address of a host"},
		{name: "multicast", config: dr("ff02::1"), want: "VIP ff02::1: it is not a unicast address of a host"},
		{name: "loopback", config: dr("127.0.0.1"), want: "VIP 127.0.0.1: it is not a unicast address of a host"},
		{name: "unspecified", config: dr("::"), want: "VIP ::: it is not a unicast address of a host"},
		{name: "mapped", config: dr("::ffff:10.0.0.200"), want: "VIP ::ffff:10.0.0.200: write it as 10.0.0.200"},
		{name: "link-local", config: dr("fe80::1"), want: "VIP fe80::1: a link-local address cannot be a VIP"},
		{name: "forwarding", config: Config{VIPs: []VIP{vip("10.0.0.200", lvs.Local, lvs.Tunnel{})}}, want: "VIP 10.0.0.200: local is not a way of forwarding"},
		{name: "gue without port", config: Config{VIPs: []VIP{vip("10.0.0.200", lvs.TUN, lvs.Tunnel{Type: lvs.GUE})}}, want: "VIP 10.0.0.200: gue needs its UDP port"},
		{name: "tunnel without tun", config: Config{VIPs: []VIP{vip("10.0.0.200", lvs.DR, lvs.Tunnel{Type: lvs.GRE})}}, want: "VIP 10.0.0.200: a tunnel has no effect with dr"},
		{name: "port without gue", config: Config{VIPs: []VIP{vip("10.0.0.200", lvs.TUN, lvs.Tunnel{Port: 1})}}, want: "VIP 10.0.0.200: ipip has no port"},
		{name: "checksum without gue", config: Config{VIPs: []VIP{vip("10.0.0.200", lvs.TUN, lvs.Tunnel{Checksum: lvs.WithChecksum})}}, want: `VIP 10.0.0.200: ipip has no checksum option "checksum"`},
		{name: "nat without director", config: Config{VIPs: []VIP{vip("10.0.0.200", lvs.NAT, lvs.Tunnel{})}}, want: "VIP 10.0.0.200: with nat the director's address in this host's network must be given"},
		{name: "route without director", config: Config{SetRoute: true, VIPs: dr("10.0.0.200").VIPs}, want: "the route to the clients cannot be set without the director's address"},
		{name: "interface", config: Config{Interfaces: []string{"eth9"}, VIPs: dr("10.0.0.200").VIPs}, want: "there is no interface eth9"},
		{name: "local address", config: Config{VIPs: []VIP{{Address: netip.MustParseAddr("10.0.0.200"), Forwarding: lvs.TUN, Local: netip.MustParseAddr("10.0.0.9")}}},
			want: "VIP 10.0.0.200: 10.0.0.9, to which the director sends, is not an address of this host"},
		{name: "no local address", config: Config{Interfaces: []string{"eth1"}, VIPs: []VIP{vip("10.0.0.200", lvs.TUN, lvs.Tunnel{})}},
			want: "VIP 10.0.0.200: eth1 has no address of its family: say to which one the director sends"},
		{name: "lo down", config: dr("10.0.0.200"), host: func(f *fake) { must(t, f.devices.SetDown("lo")) },
			want: "the interface lo is down: set it up with `ip link set lo up`"},
		{name: "on lo with its subnet", config: dr("10.0.0.200"), host: func(f *fake) { f.give(t, "lo", "10.0.0.200/24") },
			want: "VIP 10.0.0.200 is on lo with the prefix length 24, so that all of 10.0.0.0/24 seems to be this host; delete it with `ip address del 10.0.0.200/24 dev lo`"},
		{name: "no root", config: dr("10.0.0.200"), host: func(f *fake) { f.privileged = func() error { return errFake } }, want: "fake"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			if tt.host != nil {
				tt.host(f)
			}
			before := f.snapshot(t)
			if err := setup(f, tt.config); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if diff := cmp.Diff(before, f.snapshot(t)); diff != "" {
				t.Errorf("the host (-before +after):\n%s", diff)
			}
		})
	}
}
