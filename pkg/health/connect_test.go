package health

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// connectTo is a check that only connects, often.
func connectTo(t *testing.T, addr net.Addr, timing Timing) Wanted {
	t.Helper()
	ap := netip.MustParseAddrPort(addr.String())
	w, err := Want(&check.TCP{}, check.Target{Address: ap.Addr(), Port: ap.Port()}, timing)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var connectTiming = Timing{
	Interval: 50 * time.Millisecond, FastInterval: 20 * time.Millisecond, Timeout: 10 * time.Second, Rise: 1, Fall: 1,
}

// accepting is a server that accepts and closes until it is closed.
func accepting(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepts sync.WaitGroup
	accepts.Go(func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		accepts.Wait()
	})
	return l
}

// A check that only connects goes up, down with its server, and is the same
// through a change of its timing.
func TestConnectChecks(t *testing.T) {
	l := accepting(t)
	w := connectTo(t, l.Addr(), connectTiming)
	c := running(t, w)
	if c.started(w.Key).series == nil {
		t.Error("the Connector does not make it")
	}
	if e := <-c.Events(); e.State != Up || e.Name != "tcp "+l.Addr().String() {
		t.Errorf("got %+v", e)
	}
	l.Close()
	want := "connect " + l.Addr().String() + ": connection refused"
	if e := <-c.Events(); e.From != Up || e.State != Down || e.Error != want {
		t.Errorf("got %+v", e)
	}
	slower := connectTiming
	slower.Interval = time.Hour
	again := connectTo(t, l.Addr(), slower)
	since := c.Snapshot()[w.Key].Since
	c.Update([]Wanted{again})
	got := c.Snapshot()
	if s := got[again.Key]; len(got) != 1 || s.State != Down || !s.Since.Equal(since) {
		t.Errorf("got %+v", got)
	}
}

// A check that has ended records nothing, though its probe was under way.
func TestConnectedAfterTheEnd(t *testing.T) {
	l := accepting(t)
	w := connectTo(t, l.Addr(), connectTiming)
	c := running(t, w)
	<-c.Events()
	e := c.started(w.Key)
	c.Update(nil)
	history := e.past.count
	c.connected(e, time.Now(), check.Result{Error: "too late"})
	if e.past.count != history || e.machine.state != Up || len(c.Events()) != 0 {
		t.Errorf("%d probes after %d, %s", e.past.count, history, e.machine.state)
	}
}

// started gives the entry of a check when Run has started it.
func (c *Checker) started(key Key) *entry {
	for {
		c.mu.Lock()
		e := c.entries[key]
		ready := c.running != nil
		c.mu.Unlock()
		if ready {
			return e
		}
		time.Sleep(time.Millisecond)
	}
}

// BenchmarkConnected measures what one probe costs besides the kernel's work.
func BenchmarkConnected(b *testing.B) {
	c := New(slog.New(slog.DiscardHandler))
	w, err := Want(&check.TCP{}, check.Target{Address: netip.MustParseAddr("10.0.0.2"), Port: 80}, connectTiming)
	if err != nil {
		b.Fatal(err)
	}
	e := &entry{Wanted: w, ctx: b.Context()}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		c.connected(e, now, check.Result{OK: true, Duration: time.Millisecond})
	}
}
