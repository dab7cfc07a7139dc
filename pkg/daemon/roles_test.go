package daemon

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev/netdevtest"
	"github.com/lvsd/lvsd/pkg/track"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// elected are roles in instances on an interface that does not exist: they are at
// fault, and send nothing.
func elected(t *testing.T, instances ...config.VRRP) *roles {
	t.Helper()
	r := newRoles(slog.New(slog.DiscardHandler), netdevtest.New("eth0"), instances)
	bell, err := vrrp.NewBell()
	must(t, err)
	t.Cleanup(bell.Close)
	r.changed = bell
	r.start()
	t.Cleanup(r.stop)
	return r
}

func instanceOf(name string, id uint8) config.VRRP {
	return config.VRRP{
		Name: name, Interface: "missing0", ID: id, Version: 3, Family: lvs.IPv4, Priority: 100, Interval: 10 * time.Millisecond, Preempt: true, MinTTL: 255,
		Links: []config.VRRPLink{{Interface: "missing0"}},
		VIPs:  []lvs.Address{{AddressKey: lvs.AddressKey{Interface: "missing0", Prefix: netip.MustParsePrefix("192.0.2.10/32")}}},
	}
}

// A reload while the director hands over begins no election: nobody would end it.
func TestReloadWhileStopping(t *testing.T) {
	r := elected(t, instanceOf("front", 51))
	router := r.routers["instance front"]
	successor := make(chan struct{}) // serves when this is closed
	r.tasks.Go(func() { <-successor })
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.stop()
	}()
	<-router.done
	r.set([]config.VRRP{instanceOf("front", 51), instanceOf("back", 52)})
	close(successor)
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Fatal("the director does not stop")
	}
}

// A reload leaves what is known of tracked things as it is: their priority, and how
// many looks it takes to change a state.
func TestTrackingOutlastsReload(t *testing.T) {
	number := filepath.Join(t.TempDir(), "number")
	must(t, os.WriteFile(number, []byte("-60"), 0o600))
	tracked := instanceOf("front", 51)
	tracked.Track = []track.Spec{{Name: "number", File: number, Interval: 10 * time.Millisecond, Timeout: time.Second, Rise: 1, Fall: 1 << 30}}
	r := elected(t, tracked)
	becomes := func(when string, want uint8) {
		t.Helper()
		end := time.Now().Add(patience)
		for r.statuses()["front"].Priority != want {
			if time.Now().After(end) {
				t.Fatalf("%s: priority %d, want %d", when, r.statuses()["front"].Priority, want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	becomes("at the start", 40)

	must(t, os.Remove(number)) // it counts as before, so many bad looks does it take
	for priority := range 20 {
		tracked.Priority = uint8(100 + priority)
		r.set([]config.VRRP{tracked})
		becomes("after a reload", uint8(40+priority))
	}
	must(t, os.WriteFile(number, []byte("-70"), 0o600))
	becomes("another number", 49)

	tracked.Track = nil
	r.set([]config.VRRP{tracked})
	becomes("tracked no more", 119)
}
