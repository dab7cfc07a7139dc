package flood_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/flood"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

func TestMain(m *testing.M) {
	if flood.Ordered() {
		os.Exit(flood.Main())
	}
	goleak.VerifyTestMain(m)
}

// What a host gets of a flood is all that was sent, with good checksums though nothing computes them.
func TestEveryFrameArrives(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	rs := l.Host("rs1")
	labtest.NoError(t, rs.Poll("eth0"))
	to := labtest.Must(rs.MAC("eth0"))(t)
	frame := lab.Frame{
		From: labtest.Must(l.Host("client").MAC("eth0"))(t), To: to, ID: 0xffff, Sequence: 0xffffffff, Flags: lab.SYN,
		Source: netip.MustParseAddrPort("198.18.0.0:0"), Target: netip.AddrPortFrom(rs.V4, 9),
	}
	tcp := frame.Bytes()
	frame.UDP, frame.Payload = true, []byte{0xff, 0xff}
	udp := frame.Bytes()
	before := received(t, rs)
	f := labtest.Must(flood.Start(t.Context(), l.Switch(), flood.Order{
		Cable: "rs1-eth0", Rate: 5000, For: time.Second,
		Kinds: []flood.Kind{
			{Name: "tcp", Frame: tcp, Draws: []flood.Draw{{Word: 28, Complement: []int{18, 40}}, {Word: 34, Complement: []int{38}}}},
			{Name: "udp", Frame: udp, Draws: []flood.Draw{{Word: 28, Complement: []int{18, 42}}}},
		},
	}))(t)
	sent := labtest.Must(f.Wait())(t)
	now := received(t, rs)
	for name, want := range map[string]int{
		"Tcp InSegs": int(sent.Kinds["tcp"]), "Udp NoPorts": int(sent.Kinds["udp"]), "Ip InHdrErrors": 0, "Tcp InCsumErrors": 0, "Udp InCsumErrors": 0,
	} {
		if got := now[name] - before[name]; got != want {
			t.Errorf("%s: %d, want %d of %v", name, got, want, sent)
		}
	}
	if sent.Kinds["tcp"] == 0 || sent.Kinds["udp"] == 0 || sent.Frames() > 5000 {
		t.Errorf("sent %v, want up to 5000 of both kinds", sent)
	}
	if lost := labtest.Must(rs.Lost("eth0"))(t); lost != 0 {
		t.Errorf("%d frames found no place in the ring", lost)
	}
}

// received reads a host's counters of packets, named as /proc/net/snmp has them.
func received(t *testing.T, h *lab.Host) map[string]int {
	t.Helper()
	var b []byte
	labtest.NoError(t, h.Do(func() (err error) {
		b, err = os.ReadFile("/proc/thread-self/net/snmp")
		return err
	}))
	all := map[string]int{}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	for ; len(lines) > 1; lines = lines[2:] {
		names, values := strings.Fields(lines[0]), strings.Fields(lines[1])
		for i := 1; i < len(names); i++ {
			n, err := strconv.Atoi(values[i])
			labtest.NoError(t, err)
			all[strings.TrimSuffix(names[0], ":")+" "+names[i]] = n
		}
	}
	return all
}

// What cannot be sent as it was meant is refused.
func TestOrders(t *testing.T) {
	good := make([]byte, 60)
	binary.BigEndian.PutUint16(good[20:], 0xffff)
	for _, tt := range []struct {
		name, want string
		change     func(*flood.Order)
	}{
		{"rate", "a rate of 0 frames/s", func(o *flood.Order) { o.Rate = 0 }},
		{"time", "a time of 1h0m0s", func(o *flood.Order) { o.For = time.Hour }},
		{"kinds", "no kinds", func(o *flood.Order) { o.Kinds = nil }},
		{"short", "a frame of 4 bytes", func(o *flood.Order) { o.Kinds[0].Frame = good[:4] }},
		{"odd frame", "a frame of 59 bytes", func(o *flood.Order) { o.Kinds[0].Frame = good[:59] }},
		{"odd word", "a word at 17", func(o *flood.Order) { o.Kinds[0].Draws[0].Word = 17 }},
		{"beyond the end", "a word at 60", func(o *flood.Order) { o.Kinds[0].Draws[0].Word = 60 }},
		{"word", "the word at 20, which is drawn, is not 0", func(o *flood.Order) { o.Kinds[0].Draws[0].Word = 20 }},
		{"complement", "the word at 22, which is a complement, is not 0xffff", func(o *flood.Order) { o.Kinds[0].Draws[0].Complement[0] = 22 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := flood.Order{
				Cable: "rs1-eth0", Rate: 1, For: time.Second,
				Kinds: []flood.Kind{{Name: "it", Frame: good, Draws: []flood.Draw{{Word: 18, Complement: []int{20}}}}},
			}
			tt.change(&o)
			if _, err := flood.Start(t.Context(), nil, o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}
