//go:build bench

package integration

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/flood"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// siege is a director under a flood. In User-Mode Linux all hosts share one
// processor: what a frame costs the director is missing to real servers and
// client alike, and so is what it costs to make the frame.
type siege struct {
	t        *testing.T
	l        *lab.Lab
	d        *director
	services string
	kinds    []flood.Kind
}

// besiege makes a lab whose director forwards in some way, without a guard, and
// whose real servers answer whoever asks: what they send to forged sources ends
// at the host outside.
func besiege(t *testing.T, way string) *siege {
	t.Helper()
	l := labtest.New(t, lab.Topology{RealServers: 2, Outside: true, BehindDirector: way == "nat"})
	servers := serve(t, l)
	gateway := l.Host("outside").V4
	labtest.NoError(t, l.Host("lb1").SetDefaultRoute(gateway))
	labtest.NoError(t, l.Host("lb1").Poll("eth0"))
	if way == "dr" {
		for _, rs := range servers {
			labtest.NoError(t, rs.TakeVIP(lab.VIP4))
			labtest.NoError(t, rs.SetDefaultRoute(gateway))
		}
	}
	s := &siege{t: t, l: l, services: floodedService(way, servers), kinds: floodKinds(t, l)}
	s.d = startGuarded(t, l.Host("lb1"), s.services)
	return s
}

// What a client does during an assault, and for how long.
const (
	assaultTime    = 3 * time.Second
	assaultTimeout = 2 * time.Second
	assaultRate    = 20 // requests a second
)

// assault is what became of a flood and of a client's requests meanwhile.
type assault struct {
	mode    string
	sent    flood.Sent
	lost    uint64            // had no place in the ring
	by      map[string]uint64 // decided over by the guard
	decided uint64
	dropped uint64
	due     int // requests that the client would have made undisturbed
	client  lab.Report
}

// served is the share of the requests due that were answered.
func (a assault) served() float64 {
	return float64(a.client.Requests-a.client.Failures) / float64(a.due)
}

// latency is a percentile over all requests that were due. One that failed, or
// that the client did not come to make, took as long as a client waits at most.
func (a assault) latency(p float64) time.Duration {
	i := int(p * float64(a.due))
	if i >= len(a.client.Latencies) {
		return assaultTimeout
	}
	return a.client.Latencies[i]
}

func (a assault) String() string {
	rate := 0
	if a.sent.Frames() > 0 {
		rate = a.sent.Rate()
	}
	return fmt.Sprintf("%-9s  %8d frames/s, %d lost; client %3.0f %% of %d, median %4d ms, p99 %4d ms", a.mode, rate, a.lost,
		100*a.served(), a.due, a.latency(0.5).Milliseconds(), a.latency(0.99).Milliseconds())
}

// assault sends a flood at a rate, none if that is 0, to a director in a mode,
// while a client asks.
func (s *siege) assault(mode string, rate int, length time.Duration) assault {
	s.t.Helper()
	s.d.set(mode, s.services, s.l.Host("client").V4)
	a := assault{mode: mode}
	var before map[string]uint64
	if mode != "off" {
		before, a.dropped = s.d.decided(), s.d.dropped()
	}
	lost := s.lost()
	var f *flood.Flood
	if rate > 0 {
		f = s.flood(rate, length)
	}
	begin := time.Now()
	load := s.l.Host("client").StartLoad(s.t.Context(), lab.LoadConfig{
		URL: labtest.URL(lab.VIP4, webPort), Rate: assaultRate, Workers: assaultRate * int(assaultTimeout/time.Second), Timeout: assaultTimeout,
	})
	if rate > 0 {
		a.sent = labtest.Must(f.Wait())(s.t)
		begin = a.sent.Begin
	} else {
		<-time.After(length)
	}
	took := time.Since(begin)
	a.client = load.Stop()
	// The last may be on its way to the load.
	a.due = max(a.client.Requests, int(took.Seconds()*assaultRate)-1)
	a.lost = s.lost() - lost
	if mode != "off" {
		a.by, a.decided = since(s.d.decided(), before)
		a.dropped = s.d.dropped() - a.dropped
	}
	return a
}

func (s *siege) flood(rate int, length time.Duration) *flood.Flood {
	s.t.Helper()
	return labtest.Must(flood.Start(s.t.Context(), s.l.Switch(), flood.Order{Cable: "lb1-eth0", Rate: rate, For: length, Kinds: s.kinds}))(s.t)
}

func (s *siege) lost() uint64 {
	s.t.Helper()
	return labtest.Must(s.l.Host("lb1").Lost("eth0"))(s.t)
}

// exact holds that what was decided adds up to what was sent, by kind and in all.
func (a assault) exact(t *testing.T) {
	t.Helper()
	if sum := a.decided + a.lost; sum != a.sent.Frames() {
		t.Errorf("%s: decided over %d and lost %d, together %d of the %d frames sent: %v", a.mode, a.decided, a.lost, sum, a.sent.Frames(), a.by)
	}
	if n := a.by["no such port"]; n > a.sent.Kinds["strays"] || n+a.lost < a.sent.Kinds["strays"] {
		t.Errorf("%s: %d packets to no port, want the %d sent but for lost ones", a.mode, n, a.sent.Kinds["strays"])
	}
	want := a.decided - a.by[""]
	if a.mode == "counting" {
		want = 0
	}
	if a.dropped != want {
		t.Errorf("%s: %d dropped, want %d: %v", a.mode, a.dropped, want, a.by)
	}
}

// Where in a frame the words are that floods draw.
const (
	frameID       = 14 + 4
	frameSource   = 14 + 14 // the lower half
	framePort     = 14 + 20
	frameSequence = 14 + 24
)

// floodKinds are SYNs of forged sources, SYNs of one source, later fragments, and
// datagrams to a port without a service. The forged sources are of 198.18.0.0/16,
// which is for such tests (RFC 2544).
func floodKinds(t *testing.T, l *lab.Lab) []flood.Kind {
	t.Helper()
	forged, one := netip.MustParseAddrPort("198.18.0.0:0"), netip.MustParseAddrPort("198.19.0.1:0")
	web, closed := netip.AddrPortFrom(lab.VIP4, webPort), netip.AddrPortFrom(lab.VIP4, 9999)
	frame := func(f lab.Frame) []byte {
		f.From = labtest.Must(l.Host("outside").MAC("eth0"))(t)
		f.To = labtest.Must(l.Host("lb1").MAC("eth0"))(t)
		f.ID, f.Flags, f.Sequence = 0xffff, lab.SYN, 0xffffffff
		return f.Bytes()
	}
	stray := frame(lab.Frame{UDP: true, Source: forged, Target: closed})
	binary.BigEndian.PutUint16(stray[14+20+6:], 0) // no checksum (RFC 768)
	port := flood.Draw{Word: framePort, Complement: []int{frameSequence}}
	source := flood.Draw{Word: frameSource, Complement: []int{frameID}}
	inSegment := flood.Draw{Word: frameSource, Complement: []int{frameID, frameSequence + 2}}
	fromPort := flood.Draw{Word: framePort}
	return []flood.Kind{
		{Name: "spoofed", Frame: frame(lab.Frame{Source: forged, Target: web}), Draws: []flood.Draw{inSegment, port}},
		{Name: "single", Frame: frame(lab.Frame{Source: one, Target: web}), Draws: []flood.Draw{port}},
		{Name: "fragments", Frame: frame(lab.Frame{Source: forged, Target: web, Fragment: 185, Raw: []byte("the rest of it")}), Draws: []flood.Draw{source}},
		{Name: "strays", Frame: stray, Draws: []flood.Draw{source, fromPort}},
	}
}
