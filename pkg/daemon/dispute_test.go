package daemon

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/netdev/netdevtest"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// Whoever claims a VIP of an active director is told once, counted always and
// answered from time to time, until nobody does any more.
func TestLookOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vip := lvs.Address{AddressKey: lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix("192.0.2.10/32")}}
		fake := netdevtest.New("eth0")
		var told []notice.Event
		r := newRoles(slog.New(slog.DiscardHandler), fake, []config.VRRP{{Name: "front", VIPs: []lvs.Address{vip}}})
		r.tell = func(e notice.Event) { told = append(told, e) }
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			newHeralds(r, nil).lookOut(ctx, "front")
		}()
		mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
		claim := func() {
			fake.Claim(netdev.Claim{Address: vip.Prefix.Addr(), MAC: mac})
			synctest.Wait()
		}
		holds := func(when string, kinds string, answers int, claims uint64, by string) {
			t.Helper()
			var got []string
			for _, e := range told {
				got = append(got, string(e.Kind))
			}
			n, who := r.dispute("front").now()
			if strings.Join(got, " ") != kinds || len(fake.Announced()) != answers || n != claims || who != by {
				t.Errorf("%s: told %v, %d answers, %d claims by %q", when, got, len(fake.Announced()), n, who)
			}
		}
		time.Sleep(2 * settle)
		holds("before", "", 0, 0, "")
		claim()
		holds("a claim", "split-brain", 1, 1, mac.String())
		time.Sleep(defend / 2)
		claim()
		holds("a second one soon after", "split-brain", 1, 2, mac.String())
		time.Sleep(defend)
		claim()
		holds("one later", "split-brain", 2, 3, mac.String())
		time.Sleep(forgotten + time.Second)
		synctest.Wait()
		holds("silence", "split-brain split-brain-over", 2, 3, "")
		claim()
		stop()
		<-done
		holds("the end", "split-brain split-brain-over split-brain split-brain-over", 3, 4, "")
		if cause := told[0].Cause; cause != "02:00:00:00:00:01 claims 192.0.2.10 on eth0" {
			t.Errorf("cause %q", cause)
		}
	})
}

// What is a VIP no more after a reload may be another host's; what is one now is
// looked after.
func TestLookOutFollowsReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vip := func(s string) lvs.Address {
			return lvs.Address{AddressKey: lvs.AddressKey{Interface: "eth0", Prefix: netip.MustParsePrefix(s)}}
		}
		old, kept, added := vip("192.0.2.10/32"), vip("192.0.2.11/32"), vip("192.0.2.12/32")
		fake := netdevtest.New("eth0")
		r := newRoles(slog.New(slog.DiscardHandler), fake, []config.VRRP{{Name: "front", VIPs: []lvs.Address{old, kept}}})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			newHeralds(r, nil).lookOut(ctx, "front")
		}()
		time.Sleep(2 * settle)
		r.set([]config.VRRP{{Name: "front", VIPs: []lvs.Address{kept, added}}})
		synctest.Wait()
		for i, a := range []lvs.Address{old, kept, added} {
			fake.Claim(netdev.Claim{Address: a.Prefix.Addr(), MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}})
			synctest.Wait()
		}
		stop()
		<-done
		var got []string
		for _, k := range fake.Announced() {
			got = append(got, k.Prefix.Addr().String())
		}
		if claims, _ := r.dispute("front").now(); claims != 2 || strings.Join(got, " ") != "192.0.2.11 192.0.2.12" {
			t.Errorf("%d claims, announced %v", claims, got)
		}
	})
}
