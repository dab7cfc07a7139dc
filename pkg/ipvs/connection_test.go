package ipvs

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lvsd/lvsd/pkg/lvs"
)

const listed = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A00010A AB06 0A0001C8 0050 0A000165 0050 ESTABLISHED     899
TCP 0A000100 0000 0A0001C8 0050 0A000165 0050 NONE            299
UDP 0A00010A AB07 0A0001C8 0035 0A000166 0035 UDP             300
TCP fd00:0001:0000:0000:0000:0000:0000:0010 AB08 fd00:0001:0000:0000:0000:0000:0000:0200 0050 fd00:0001:0000:0000:0000:0000:0000:0101 0050 FIN_WAIT         10
UDP 0A00010A 0000 0A0001C8 13C4 0A000166 13C4 NONE             60 sip a b c
IP  0A00010A 0000 00000007 0000 0A000166 0000 ASSURED         299
UDP 0A00010A 0000 0A0001C8 13C4 0A000166 13C4 NONE             60 sip
not a line
`

func parsed(t *testing.T) []Connection {
	t.Helper()
	var got []Connection
	if err := ReadConnections(strings.NewReader(listed), func(c Connection) error {
		got = append(got, c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReadConnections(t *testing.T) {
	at := netip.MustParseAddrPort
	want := []Connection{
		{Protocol: lvs.TCP, Client: at("10.0.1.10:43782"), VIP: at("10.0.1.200:80"), Server: at("10.0.1.101:80"), State: 1, Timeout: 899},
		{Protocol: lvs.TCP, Client: at("10.0.1.0:0"), VIP: at("10.0.1.200:80"), Server: at("10.0.1.101:80"), Template: true, Timeout: 299},
		{Protocol: lvs.UDP, Client: at("10.0.1.10:43783"), VIP: at("10.0.1.200:53"), Server: at("10.0.1.102:53"), Timeout: 300},
		{Protocol: lvs.TCP, Client: at("[fd00:1::10]:43784"), VIP: at("[fd00:1::200]:80"), Server: at("[fd00:1::101]:80"), State: 4, Timeout: 10},
		{Protocol: lvs.UDP, Client: at("10.0.1.10:0"), VIP: at("10.0.1.200:5060"), Server: at("10.0.1.102:5060"), Template: true, Timeout: 60,
			Engine: "sip", EngineData: "a b c"},
		{Client: at("10.0.1.10:0"), VIP: at("0.0.0.7:0"), Server: at("10.0.1.102:0"), State: 1, Template: true, Timeout: 299},
	}
	if diff := cmp.Diff(want, parsed(t), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSyncMessage(t *testing.T) {
	m := NewSyncMessage(7, 1400)
	all := parsed(t)
	all[1].Forwarding, all[2].Forwarding, all[5].Mark = lvs.DR, lvs.Local, 7
	for _, c := range all {
		if !m.Add(c) {
			t.Fatal("no room")
		}
	}
	want := strings.ReplaceAll("00 07 0110 06 01 0000"+
		"00 06 0024 00000000 0001 ab06 0050 0050 00000000 00000383 0a00010a 0a0001c8 0a000165"+
		"00 06 0024 00001083 0000 0000 0050 0050 00000000 0000012b 0a000100 0a0001c8 0a000165"+
		"00 11 0024 00000001 0000 ab07 0035 0035 00000000 0000012c 0a00010a 0a0001c8 0a000166"+
		"01 06 0048 00000100 0004 ab08 0050 0050 00000000 0000000a fd000001000000000000000000000010"+
		"fd000001000000000000000000000200 fd000001000000000000000000000101"+
		"00 11 0030 00001000 0000 0000 13c4 13c4 00000000 0000003c 0a00010a 0a0001c8 0a000166 02 05 6120622063 03 03 736970"+
		"00 00 0024 00001000 0001 0000 0000 0000 00000007 0000012b 0a00010a 00000007 0a000166", " ", "")
	if got := hex.EncodeToString(m.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSyncMessageIsBounded(t *testing.T) {
	c := parsed(t)[0]
	small := NewSyncMessage(0, syncHeader+2*36)
	for i, want := range []bool{true, true, false} {
		if got := small.Add(c); got != want {
			t.Errorf("connection %d: taken %t, want %t", i, got, want)
		}
	}
	if small.Count() != 2 {
		t.Errorf("%d connections in %d bytes", small.Count(), len(small.Bytes()))
	}
	large := NewSyncMessage(0, 65507)
	for large.Add(c) {
	}
	if large.Count() != maxSyncConns {
		t.Errorf("%d connections, want %d", large.Count(), maxSyncConns)
	}
}

func TestLongestMessage(t *testing.T) {
	for _, tt := range []struct {
		maxLen    uint16
		mtu, want int
	}{{0, 1500, 1400}, {0, 65536, 1400}, {0, 1280, 1232}, {300, 1500, 300}, {9000, 9000, 1400}} {
		if got := longest(lvs.SyncDaemon{MaxLen: tt.maxLen}, tt.mtu); got != tt.want {
			t.Errorf("maxlen %d, MTU %d: got %d, want %d", tt.maxLen, tt.mtu, got, tt.want)
		}
	}
}
