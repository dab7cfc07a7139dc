package check

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connecting runs a Connector until the end of the test.
func connecting(t *testing.T) *Connector {
	t.Helper()
	c, err := OpenConnector()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return c
}

// never is a pause between probes that outlasts the test.
const never = time.Hour

// once has a Connector make one probe.
func once(t *testing.T, c *Connector, target Target, timeout time.Duration) Result {
	t.Helper()
	results := make(chan Result, 1)
	c.Add(&Series{Target: target, Timeout: timeout, Done: func(_ time.Time, r Result) time.Duration {
		results <- r
		return never
	}}, 0)
	return <-results
}

// The Connector's words are those of the check that is made by itself.
func TestConnectorAgreesWithCheck(t *testing.T) {
	v6 := func(t *testing.T) Target {
		l, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return targetOf(l.Addr())
	}
	for _, test := range []struct {
		name    string
		target  func(t *testing.T) Target
		timeout time.Duration
		want    string // ADDR is the target
	}{
		{"up", func(t *testing.T) Target { return serve(t, hang) }, testTimeout, ""},
		{"closes at once", func(t *testing.T) Target { return serve(t, func(net.Conn) {}) }, testTimeout, ""},
		{"IPv6", v6, testTimeout, ""},
		{"IPv6 with a source", func(t *testing.T) Target {
			target := v6(t)
			target.Source = target.Address
			return target
		}, testTimeout, ""},
		{"refused", closedPort, testTimeout, "connect ADDR: connection refused"},
		{"hung", fullBacklog, shortTimeout, "connect ADDR: timed out"},
		{"foreign source", func(*testing.T) Target {
			return Target{Address: netip.MustParseAddr("127.0.0.1"), Port: 9, Source: netip.MustParseAddr("203.0.113.1")}
		}, testTimeout, "connect ADDR: cannot assign requested address"},
		{"no port", func(*testing.T) Target {
			return Target{Address: netip.MustParseAddr("127.0.0.1")}
		}, testTimeout, errNoPort.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := test.target(t)
			want := strings.ReplaceAll(test.want, "ADDR", target.String())
			began := time.Now()
			if r := once(t, connecting(t), target, test.timeout); r.OK != (want == "") || r.Error != want {
				t.Errorf("the Connector: OK %v, %q; want %q", r.OK, r.Error, want)
			}
			if took := time.Since(began); test.timeout == shortTimeout && took < shortTimeout {
				t.Errorf("ended after %s, before the deadline of %s", took, shortTimeout)
			}
			if r := run(t, &TCP{}, target, test.timeout); r.Error != want {
				t.Errorf("the check by itself: %q, want %q", r.Error, want)
			}
		})
	}
}

func TestConnectorSource(t *testing.T) {
	from := make(chan string, 1)
	target := serve(t, func(c net.Conn) { from <- c.RemoteAddr().(*net.TCPAddr).IP.String() })
	target.Source = target.Address.Next() // 127.0.0.2
	if r := once(t, connecting(t), target, testTimeout); !r.OK {
		t.Error(r.Error)
	}
	if got := <-from; got != "127.0.0.2" {
		t.Errorf("connected from %s", got)
	}
}

// The mark is on the socket that connects; without the privilege the check says so.
func TestSeriesMark(t *testing.T) {
	s := &Series{Target: serve(t, hang)}
	s.Target.Mark = 0x4c000001
	s.prepare()
	err := s.open()
	defer s.close()
	if unix.Geteuid() != 0 {
		if r := s.result(err, 0); r.Error != "connect "+s.Target.String()+": operation not permitted" {
			t.Errorf("got %q", r.Error)
		}
		return
	}
	if got, err := unix.GetsockoptInt(s.socket, unix.SOL_SOCKET, unix.SO_MARK); err != nil || got != 0x4c000001 {
		t.Errorf("mark %#x, %v", got, err)
	}
}

// A probe follows the other at the pause that Done asks for, and Duration is the
// probe's.
func TestConnectorRepeats(t *testing.T) {
	const pause, probes = 20 * time.Millisecond, 5
	var starts []time.Time
	done := make(chan struct{})
	connecting(t).Add(&Series{Target: serve(t, func(net.Conn) {}), Timeout: testTimeout, Done: func(started time.Time, r Result) time.Duration {
		starts = append(starts, started)
		if !r.OK || r.Duration > time.Since(started) {
			t.Errorf("got %+v", r)
		}
		if len(starts) < probes {
			return pause
		}
		close(done)
		return never
	}}, 0)
	<-done
	for i := 1; i < len(starts); i++ {
		if gap := starts[i].Sub(starts[i-1]); gap < pause {
			t.Errorf("a pause of %s", gap)
		}
	}
}

// Hung servers hold up no other, and a removed one gives no descriptor away.
func TestConnectorManyHung(t *testing.T) {
	before := descriptors(t)
	c := connecting(t)
	hung, up := fullBacklog(t), serve(t, func(net.Conn) {})
	var all []*Series
	for range 100 {
		s := &Series{Target: hung, Timeout: never, Done: func(time.Time, Result) time.Duration {
			t.Error("a hung probe has ended")
			return never
		}}
		all = append(all, s)
		c.Add(s, 0)
	}
	if r := once(t, c, up, testTimeout); !r.OK {
		t.Error(r.Error)
	}
	open := descriptors(t)
	if open < before+100 {
		t.Errorf("%d descriptors are open, %d before 100 probes", open, before)
	}
	for _, s := range all {
		c.Remove(s)
	}
	eventually(t, func() bool { return descriptors(t) <= open-100 })
}

// Without descriptors the check says so, and goes on when there are some again.
func TestConnectorDescriptorLimit(t *testing.T) {
	c := connecting(t)
	hung := fullBacklog(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = uint64(descriptors(t) + 20)
	restore := func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	const probes = 2000
	words := make(chan string, probes)
	for range probes {
		c.Add(&Series{Target: hung, Timeout: shortTimeout, Done: func(_ time.Time, r Result) time.Duration {
			words <- r.Error
			if want := strings.HasSuffix(r.Error, "too many open files"); r.Unasked != want {
				t.Errorf("%s: unasked is %t", r.Error, r.Unasked)
			}
			return never
		}}, 0)
	}
	got := map[string]int{}
	for range probes {
		got[<-words]++
	}
	restore()
	prefix := "connect " + hung.String() + ": "
	timedOut, tooMany := got[prefix+"timed out"], got[prefix+"too many open files"]
	if timedOut == 0 || tooMany == 0 || timedOut+tooMany != probes {
		t.Errorf("got %v", got)
	}
	if r := once(t, c, serve(t, hang), testTimeout); !r.OK {
		t.Error(r.Error)
	}
}

// The end of the context closes what is open and tells nothing more.
func TestConnectorEnds(t *testing.T) {
	before := descriptors(t)
	hung := fullBacklog(t)
	c, err := OpenConnector()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	for range 10 {
		c.Add(&Series{Target: hung, Timeout: never, Done: func(time.Time, Result) time.Duration {
			t.Error("a cancelled probe tells its outcome")
			return never
		}}, 0)
	}
	eventually(t, func() bool { return descriptors(t) >= before+10 })
	cancel()
	<-ended
	c.Add(&Series{Target: hung}, 0)                                  // nobody makes it, and nothing breaks
	eventually(t, func() bool { return descriptors(t) <= before+3 }) // the server's and its client's
}

// Series with slack share their starts, and each keeps within its slack.
func TestSlot(t *testing.T) {
	c := &Connector{began: time.Unix(1000, 0)}
	const slack = 20 * time.Millisecond
	var slots []time.Duration
	for ms := range 100 {
		at := c.began.Add(time.Duration(ms) * time.Millisecond)
		slot := c.slot(at, slack)
		if off := slot.Sub(at).Abs(); off > slack/2 {
			t.Errorf("%s off", off)
		}
		slots = append(slots, slot.Sub(c.began))
	}
	if got := slices.Compact(slots); len(got) != 6 {
		t.Errorf("starts at %v", got)
	}
	if at := c.began.Add(time.Microsecond); !c.slot(at, 0).Equal(at) {
		t.Error("moved without slack")
	}
}

// What was asked for and done leaves the alarm silent, though it went off.
func TestAlarmIsSilentAfterwards(t *testing.T) {
	c, err := OpenConnector()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	s := &Series{Target: closedPort(t)}
	c.Add(s, never)
	eventually(t, func() bool { return answersNow(c.fd, c.events) == 1 })
	c.obey()
	c.setAlarm()
	if n := answersNow(c.fd, c.events); n != 0 {
		t.Errorf("%d events before the first probe", n)
	}
	c.Remove(s)
	c.obey()
	c.setAlarm()
	if n := answersNow(c.fd, c.events); n != 0 {
		t.Errorf("%d events without a series", n)
	}
}

// A Connector that is late lets others run, on one processor too.
func TestConnectorGivesWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := connecting(t)
	refused := closedPort(t) // no server of ours that others must run for
	for range 50 {           // each wants to be asked again at once
		c.Add(&Series{Target: refused, Timeout: testTimeout, Done: func(time.Time, Result) time.Duration { return 0 }}, 0)
	}
	best := time.Hour
	for range 20 {
		began := time.Now()
		time.Sleep(time.Millisecond)
		best = min(best, time.Since(began))
	}
	// The scheduler takes the processor from a goroutine after 10 ms.
	if best > 8*time.Millisecond {
		t.Errorf("a sleep of 1 ms took %s at best", best)
	}
}
