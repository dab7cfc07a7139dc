package control

import (
	"errors"
	"net/netip"
	users "os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

func TestGuard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	serve(t, path, named("lb1"))
	c := Dial(path)
	me, err := users.Current()
	if err != nil {
		t.Fatal(err)
	}
	network := netip.MustParsePrefix("192.0.2.0/24")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"block", c.Block(t.Context(), network, 10*time.Minute), "block 192.0.2.0/24 for 10m0s by " + me.Username},
		{"unblock", c.Unblock(t.Context(), network), "unblock 192.0.2.0/24"},
		{"no network", c.Unblock(t.Context(), netip.Prefix{}), "netip.ParsePrefix"},
	}
	for _, tt := range tests {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, tt.err, tt.want)
		}
	}
	top, err := c.GuardTop(t.Context())
	if err != nil || len(top.Talkers) != 1 || top.Talkers[0].SYNs != 3 {
		t.Errorf("top: %+v, %v", top, err)
	}
	probe := status.GuardProbe{Protocol: lvs.UDP, Source: netip.MustParseAddrPort("[::1]:7"), Target: netip.MustParseAddrPort("[::2]:8")}
	verdict, err := c.GuardTest(t.Context(), probe)
	if err != nil || !verdict.Drops || verdict.Packet != "udp [::1]:7 [::2]:8" {
		t.Errorf("test: %+v, %v", verdict, err)
	}
	if _, err := c.GuardTest(t.Context(), status.GuardProbe{}); err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("a probe of nothing: %v", err)
	}
}
