package ipvs

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

var web = lvs.Service{
	Key:      lvs.AddrKey(lvs.UDP, netip.MustParseAddrPort("192.0.2.1:80")),
	Settings: lvs.Settings{Scheduler: "rr", Netmask: 32},
	Servers: []lvs.Server{{
		Key:            netip.MustParseAddrPort("127.0.0.1:80"),
		ServerSettings: lvs.ServerSettings{Weight: 1},
	}},
}

func apply(t *testing.T, table *Table, changes ...lvs.Change) {
	t.Helper()
	for _, err := range table.Apply(t.Context(), changes) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoIPVS(t *testing.T) {
	if _, err := findFamily("NO_SUCH"); !errors.Is(err, ErrNoIPVS) {
		t.Errorf("got %v, want %v", err, ErrNoIPVS)
	}
}

// TestStaysInItsNamespace uses a table from threads of other namespaces.
func TestStaysInItsNamespace(t *testing.T) {
	table := open(t)
	apply(t, table, ipvstest.Adds([]lvs.Service{web})...)
	t.Run("elsewhere", func(t *testing.T) {
		other := open(t)
		if got, err := other.Services(); err != nil || len(got) != 0 {
			t.Errorf("new namespace: got %v, %v, want nothing", got, err)
		}
		got, err := table.Services()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]lvs.Service{web}, got, comparing); diff != "" {
			t.Errorf("first namespace (-want +got):\n%s", diff)
		}
		apply(t, table, lvs.Change{Verb: lvs.Delete, Service: web})
	})
	if got, err := table.Services(); err != nil || len(got) != 0 {
		t.Errorf("after deleting: got %v, %v, want nothing", got, err)
	}
}

// TestCounts sends packets through a service and looks at the statistics.
func TestCounts(t *testing.T) {
	table := open(t)
	server, err := net.ListenPacket("udp", "127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := web
	s.Key.VIP = netip.MustParseAddrPort("127.0.0.2:80")
	apply(t, table, ipvstest.Adds([]lvs.Service{s})...)

	client, err := net.Dial("udp", s.Key.VIP.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 3 {
		if _, err := client.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.ReadFrom(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
	}

	want := lvs.Counters{Connections: 1, PacketsIn: 3, BytesIn: 3 * (20 + 8 + 4)}
	got := statsWhen(t, table, func(all map[lvs.ServiceKey]lvs.ServiceStats) bool {
		return all[s.Key].Counters == want && all[s.Key].Servers[s.Servers[0].Key].Counters == want
	})
	stats := got[s.Key].Servers[s.Servers[0].Key]
	if stats.Active+stats.Inactive != 1 {
		t.Errorf("got %+v, want one connection", stats)
	}
}

// statsWhen reads statistics until they satisfy: the kernel sums them up every
// two seconds.
func statsWhen(t *testing.T, table *Table, satisfy func(map[lvs.ServiceKey]lvs.ServiceStats) bool) map[lvs.ServiceKey]lvs.ServiceStats {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		_, got, err := table.Read()
		if err != nil {
			t.Fatal(err)
		}
		if satisfy(got) {
			return got
		}
	}
	t.Fatal("the statistics do not come")
	return nil
}

// TestManyServers reads a service whose servers take several datagrams.
func TestManyServers(t *testing.T) {
	table := open(t)
	s := web
	s.Servers = nil
	address := netip.MustParseAddr("10.0.0.0")
	for range 1000 {
		address = address.Next()
		s.Servers = append(s.Servers, lvs.Server{
			Key:            netip.AddrPortFrom(address, 80),
			ServerSettings: lvs.ServerSettings{Forwarding: lvs.DR, Weight: 1},
		})
	}
	apply(t, table, ipvstest.Adds([]lvs.Service{s})...)
	got, err := table.Services()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]lvs.Service{s}, got, comparing); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLostAnswers has more answers than the queue holds: those that are lost
// are told as unknown, and the next request is not confused by the others.
func TestLostAnswers(t *testing.T) {
	table := open(t)
	if err := table.conn.sock.SetReceiveBufferSize(1, false); err != nil { // the kernel's least
		t.Fatal(err)
	}
	changes := slices.Repeat([]lvs.Change{{Verb: lvs.Delete, Service: web}}, batchMessages)
	errs := make([]error, len(changes))
	if n := table.conn.batch(changes, errs, batchMessages); n != len(changes) {
		t.Errorf("batch of %d, want %d", n, len(changes))
	}
	known, unknown := 0, 0
	for _, err := range errs {
		switch {
		case errors.Is(err, unix.ESRCH):
			known++
		case errors.Is(err, unix.ENOBUFS):
			unknown++
		default:
			t.Errorf("got %v, want %v or %v", err, unix.ESRCH, unix.ENOBUFS)
		}
	}
	if known == 0 || unknown == 0 {
		t.Errorf("%d known and %d unknown outcomes, want some of both", known, unknown)
	}
	// Apply makes its batches as large as the queue bears.
	apply(t, table, ipvstest.Adds([]lvs.Service{web})...)
	var want error
	for i, err := range table.Apply(t.Context(), changes[:100]) {
		if !errors.Is(err, want) {
			t.Errorf("change %d: got %v, want %v", i, err, want)
		}
		want = unix.ESRCH
	}
}
