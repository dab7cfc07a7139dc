package cli

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

func TestPrintVRRP(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	vip := func(there bool) []status.VIP {
		return []status.VIP{{Address: netip.MustParsePrefix("192.0.2.10/32"), Interface: "lvsd.51", Present: there}}
	}
	var b strings.Builder
	printVRRP(&b, now, []status.VRRP{
		{Name: "front", Interface: "eth0", ID: 51, VIPs: vip(true), Election: status.Election{
			Role: lvs.Active, State: "active", Since: now.Add(-time.Hour), Priority: 150, Sent: 3600, Received: 2,
			Peer: netip.MustParseAddr("192.0.2.3"), PeerPriority: 100, Heard: now.Add(-2 * time.Second),
			Refused: map[string]uint64{"ttl": 3}, Claims: 4, ClaimedBy: "02:00:00:00:00:01"}},
		{Name: "back", Interface: "eth1", ID: 52, VIPs: vip(true), Election: status.Election{Role: lvs.Standby, State: "backup", Priority: 100}},
		{Name: "external", Interface: "eth1", External: true, VIPs: vip(false), Election: status.Election{Role: lvs.Active, State: "active"}},
	})
	want := `vrrp front on eth0: ACTIVE for 1h0m0s, id 51, priority 150, sent 3600, received 2, peer 192.0.2.3 of priority 100 heard 2s ago
  refused 3: ttl
  CLAIMED by 02:00:00:00:00:01 too: 4 packets
  vip 192.0.2.10/32 on lvsd.51: present
vrrp back on eth1: BACKUP, id 52, priority 100, sent 0, received 0
  vip 192.0.2.10/32 on lvsd.51: PRESENT, but not active
vrrp external on eth1: ACTIVE
  vip 192.0.2.10/32 on lvsd.51: MISSING
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
