package xdp

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// TestTraffic sends packets through a pair of interfaces, in both modes, while
// the program is exchanged again and again: each of them is counted.
func TestTraffic(t *testing.T) {
	name := veth(t)
	run(t, "ip", "link", "set", name, "up")
	run(t, "ip", "link", "set", "guard.1", "up")
	closed := segment(syn4(), 1, 81, flagSYN).bytes()
	for _, mode := range []lvs.GuardMode{lvs.GuardDriver, lvs.GuardGeneric} {
		t.Run(mode.String(), func(t *testing.T) {
			g := ruled(t)
			apply(t, g, attach(lvs.Add, name, mode))
			stop := exchange(t, g, attach(lvs.Set, name, mode))
			const rounds, burst = 20, 64 // no more at once than the interface holds
			for sent := burst; sent <= rounds*burst; sent += burst {
				transmit(t, "guard.1", burst, closed)
				if got := dropped(t, g, sent); got != sent {
					t.Fatalf("%d of %d packets were dropped", got, sent)
				}
			}
			t.Logf("%d packets, none lost in %d exchanges", rounds*burst, stop())
		})
	}
}

// exchange makes a change over and over until it is stopped, and tells how often
// it was made.
func exchange(t *testing.T, g *Guard, c lvs.GuardChange) (stop func() int) {
	done, result := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { result <- n }()
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := g.Apply(c); err != nil {
				t.Error(err)
				return
			}
			n++
		}
	}()
	stop = sync.OnceValue(func() int {
		close(done)
		return <-result
	})
	t.Cleanup(func() { stop() })
	return stop
}

func transmit(t *testing.T, name string, n int, data []byte) {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for range n {
		if err := unix.Sendto(fd, data, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
			t.Fatal(err)
		}
	}
}

// dropped waits until that many packets to a closed port of vip4 have been
// dropped, and gives how many were in the end.
func dropped(t *testing.T, g *Guard, want int) (n int) {
	t.Helper()
	for range 200 {
		tally, err := g.tally(idOf(t, g))
		if err != nil {
			t.Fatal(err)
		}
		if n = int(tally.Dropped[lvs.GuardUndeclared]); n >= want {
			return n
		}
		time.Sleep(5 * time.Millisecond)
	}
	return n
}

func idOf(t *testing.T, g *Guard) uint32 {
	t.Helper()
	all, err := g.table()
	if err != nil {
		t.Fatal(err)
	}
	return all.vips[netip.MustParseAddr(vip4)].Id
}
