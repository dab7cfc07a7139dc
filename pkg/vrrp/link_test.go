package vrrp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Packets that come faster than they are read do not keep the router's thread from
// its timers.
func TestFloodEnds(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	s := &socket{place: place{name: "eth0", source: local}, fd: fds[0], buffer: make([]byte, 64)}
	defer s.close()
	send := func() {
		if err := unix.Send(fds[1], []byte("no packet"), 0); err != nil {
			t.Fatal(err)
		}
	}
	l := &link{Link: Link{Interface: "eth0", Peers: []netip.Addr{above}}}
	n := 0
	send()
	l.receive(s, func(Heard) { t.Error("heard") }, func(Reason) {
		if n++; n > 100_000 {
			t.Fatal("there is no end")
		}
		send()
	})
}
