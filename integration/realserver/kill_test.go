package realserver

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/realserver"
)

// killAt makes this test binary set the host up and kill itself before its nth
// change of the kernel; killDir is its state directory.
const (
	killAt  = "LVSD_TEST_KILL_AT"
	killDir = "LVSD_TEST_KILL_DIR"
)

// setupAndDie ends with exit code 0 if there were fewer changes.
func setupAndDie() {
	n, _ := strconv.Atoi(os.Getenv(killAt))
	k, err := realserver.Open()
	if err == nil {
		fuse := &fuse{left: n}
		k.Devices = deadlyDevices{k.Devices, fuse}
		k.Sysctls = deadlySysctls{k.Sysctls, fuse}
		k.Firewall = deadlyFirewall{k.Firewall, fuse}
		c := realserver.Config{VIPs: []realserver.VIP{
			{Address: lab.VIP4, Forwarding: lvs.TUN, Tunnel: lvs.Tunnel{Type: lvs.GUE, Port: 6080}},
		}}
		_, err = realserver.New(k, os.Getenv(killDir)).Setup(context.Background(), c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// fuse kills the process at a change.
type fuse struct{ left int }

func (f *fuse) burn() {
	if f.left--; f.left < 0 {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
}

type deadlyDevices struct {
	realserver.Devices
	*fuse
}

func (d deadlyDevices) Add(a lvs.Address) error           { d.burn(); return d.Devices.Add(a) }
func (d deadlyDevices) AddTunnel(t netdev.Tunnel) error   { d.burn(); return d.Devices.AddTunnel(t) }
func (d deadlyDevices) SetUp(name string) error           { d.burn(); return d.Devices.SetUp(name) }
func (d deadlyDevices) AddGUEPort(p netdev.GUEPort) error { d.burn(); return d.Devices.AddGUEPort(p) }
func (d deadlyDevices) AddRoute(r netdev.Route) error     { d.burn(); return d.Devices.AddRoute(r) }

type deadlySysctls struct {
	realserver.Sysctls
	*fuse
}

func (d deadlySysctls) Write(key, value string) error { d.burn(); return d.Sysctls.Write(key, value) }

type deadlyFirewall struct {
	realserver.Firewall
	*fuse
}

func (d deadlyFirewall) Add(r lvs.Rule) error { d.burn(); return d.Firewall.Add(r) }

// chosen are what the kernel chooses for a new device: its number and its address
// on the link.
var chosen = regexp.MustCompile(`(?m)^\d+: |permaddr \S+|fe80::[0-9a-f:]+`)

// withoutChosen is a snapshot without what the kernel chooses, sorted because that
// gives the order too.
func withoutChosen(snapshot string) string {
	lines := strings.Split(chosen.ReplaceAllString(snapshot, ""), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Killed before each single change, the setup can be completed, and undone.
func TestKillAtEachStep(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	rs := newServer(t, l.Host("rs1"))
	setup := fmt.Sprintf("setup --vip %s --forwarding tun --tunnel gue --tunnel-port 6080", lab.VIP4)
	before := rs.snapshot()
	rs.do(setup)
	ready := withoutChosen(rs.snapshot())
	rs.do("teardown")
	for n := 0; ; n++ {
		complete := n%2 == 0 // completed and undone, or undone at once, in turn
		c := rs.Command(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), killAt+"="+strconv.Itoa(n), killDir+"="+rs.dir)
		_, err := c.Output()
		if err == nil {
			if n < 10 {
				t.Errorf("the setup took only %d changes", n)
			}
			rs.do("teardown")
			return
		}
		if status := c.ProcessState.Sys().(interface{ Signaled() bool }); !status.Signaled() {
			t.Fatalf("at change %d: %v", n, err)
		}
		if complete {
			rs.do(setup)
			if diff := cmp.Diff(ready, withoutChosen(rs.snapshot())); diff != "" {
				t.Fatalf("killed at change %d, then completed (-want +got):\n%s", n, diff)
			}
		}
		rs.do("teardown")
		if diff := cmp.Diff(before, rs.snapshot()); diff != "" {
			t.Fatalf("killed at change %d, then torn down (-want +got):\n%s", n, diff)
		}
	}
}
