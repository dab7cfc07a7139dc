package web

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// fake is a director whose status is what the test says.
type fake struct {
	mu           sync.Mutex
	now          status.Status
	recent       []Change
	err          error
	alive, ready error
	reads        int
	slow         time.Duration // that a reading takes
	guard        func(at time.Time) *status.Guard
}

func (f *fake) Status(ctx context.Context) (status.Status, error) {
	if err := ctx.Err(); err != nil {
		return status.Status{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	time.Sleep(f.slow)
	s := f.now
	s.Time = time.Now().Truncate(time.Millisecond) // as exact as the page's, so that its rates are
	if f.guard != nil {
		s.Guard = f.guard(s.Time)
	}
	return s, f.err
}

func (f *fake) Alive() error { return f.alive }
func (f *fake) Ready() error { return f.ready }

func (f *fake) Recent() []Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recent
}

// change changes what the director is.
func (f *fake) change(do func(*status.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(&f.now)
}

// sample is a director with so many services of so many servers each.
func sample(services, servers int) status.Status {
	now := time.Now()
	s := status.Status{
		Director: "lb1", Version: "1.2.3", Time: now,
		Daemon: &status.Daemon{PID: 42, Started: now.Add(-time.Hour), Loaded: now.Add(-time.Minute), Checked: now.Add(-time.Second), InStep: true},
		VIPs:   []status.VIP{{Address: netip.MustParsePrefix("192.0.2.9/32"), Interface: "eth0", Present: true}},
		Sync: &status.Sync{Interface: "eth1", Daemons: []lvs.SyncRole{lvs.SyncMaster}, Known: status.Known{
			Roles: []lvs.SyncRole{lvs.SyncMaster}, Peers: []status.Peer{{Address: netip.MustParseAddr("10.0.9.2"), Answered: now, Connections: status.Connections{Connections: 212}}},
		}},
		VRRP: []status.VRRP{{
			Name: "front", Interface: "eth0", ID: 51,
			Election: status.Election{
				Role: lvs.Active, State: "active", Since: now.Add(-time.Minute), Priority: 100,
				Peer: netip.MustParseAddr("10.0.1.2"), PeerPriority: 90, Heard: now.Add(-2 * time.Minute),
			},
			VIPs: []status.VIP{{Address: netip.MustParsePrefix("192.0.2.1/32"), Interface: "eth0", Present: true}},
		}},
	}
	for i := range services {
		s.Services = append(s.Services, sampleService(i, servers, now))
	}
	return s
}

func sampleService(i, servers int, now time.Time) status.Service {
	v := status.Service{
		Virtual: fmt.Sprintf("web%d", i), Present: true, Scheduler: "wlc",
		Service: lvs.AddrKey(lvs.TCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(2 + i>>8), byte(i)}), 80)),
	}
	for j := range servers {
		v.Servers = append(v.Servers, status.Server{
			Name: fmt.Sprintf("rs%d", j+1), Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j + 1)}), 80),
			Forwarding: "dr", Present: true, Weight: 1, Configured: 1,
			Health: &status.Health{State: health.Up, Since: now.Add(-time.Hour)},
		})
	}
	traffic(&v, i)
	return v
}

// traffic gives a service the rates of a moment.
func traffic(v *status.Service, seed int) {
	v.Active, v.Inactive, v.Rates = 0, 0, status.Traffic{}
	for j := range v.Servers {
		r := &v.Servers[j]
		r.Active, r.Inactive = uint32((seed*7+j*3)%50), uint32((seed+j)%20)
		r.Rates = status.Traffic{Connections: uint64((seed*13 + j*5) % 90), BytesIn: uint64((seed*9973 + j) % 70_000), BytesOut: uint64((seed*99_991 + j) % 900_000)}
		v.Active += uint64(r.Active)
		v.Inactive += uint64(r.Inactive)
		v.Rates.Connections += r.Rates.Connections
		v.Rates.BytesIn += r.Rates.BytesIn
		v.Rates.BytesOut += r.Rates.BytesOut
	}
}

func down(r *status.Server, why string) {
	r.Weight = 0
	r.Health = &status.Health{State: health.Down, Since: time.Now(), Error: why}
}

// serve serves a director until the test ends, and gives the server and its URL.
func serve(t *testing.T, d Director) (*Server, string) {
	t.Helper()
	s := New(d, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	server := httptest.NewUnstartedServer(nil)
	own := s.server()
	own.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Config = own
	server.Start()
	t.Cleanup(func() {
		cancel()
		server.CloseClientConnections()
		server.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, server.URL
}
