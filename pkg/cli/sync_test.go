package cli

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

func TestSyncText(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	held := func(c, t uint64) status.Connections { return status.Connections{Connections: c, Templates: t} }
	one, two := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
	s := status.Sync{Interface: "eth1", Group: netip.MustParseAddrPort("224.0.0.81:8848"), Here: held(200, 1), Known: status.Known{
		Roles: []lvs.SyncRole{lvs.SyncMaster},
		Peers: []status.Peer{
			{Address: one, Answered: ago(time.Second), Backup: true, Connections: held(20, 1), Apart: 180, Behind: true, Since: ago(time.Minute)},
			{Address: two, Answered: ago(time.Hour), Error: "connection refused"},
			{Address: two, Error: "no answer in time"},
			{Address: two},
		},
		Pushed:  &status.Push{Time: ago(time.Hour), Peer: one, Connections: held(100, 0)},
		Got:     &status.Push{Time: ago(2 * time.Hour), Peer: two, Connections: held(1, 0)},
		Waiting: true,
		Refused: map[string]uint64{"not authentic": 3},
	}}
	want := `sync on eth1 to 224.0.0.81:8848: master, 200 connections and 1 persistence template here
  peer 10.9.0.1: backup, 20 connections and 1 persistence template, 180 apart, asked 1s ago, FAR BEHIND for 1m0s
  peer 10.9.0.2: NO ANSWER for 1h0m0s: connection refused
  peer 10.9.0.2: NO ANSWER: no answer in time
  peer 10.9.0.2: NOT ASKED YET
  pushed 1h0m0s ago: 100 connections and 0 persistence templates, asked for by 10.9.0.1
  got 2h0m0s ago from 10.9.0.2: 1 connection and 0 persistence templates
  WAITS FOR A PUSH of the connections that were before this director listened
  refused 3: not authentic
`
	var b strings.Builder
	printSync(&b, now, &s)
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
