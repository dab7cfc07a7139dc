//go:build bench

package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/control"
)

// intervals are those between two adverts at which gaps are compared.
var intervals = []string{"1s", "100ms", "30ms", "10ms"}

// pairOfKeepalived is keepalived doing what election.config asks of lvsd.
func pairOfKeepalived(priority int, interval string) string {
	d, err := time.ParseDuration(interval)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`global_defs {
	vrrp_version 3
}
vrrp_instance front {
	state BACKUP
	interface eth0
	virtual_router_id 51
	priority %d
	advert_int %g
	virtual_ipaddress {
		%s/32 dev eth0
	}
}
virtual_server %s %d {
	lvs_sched rr
	lvs_method DR
	protocol UDP
	real_server 10.0.1.101 %d {
	}
	real_server 10.0.1.102 %d {
	}
}
`, priority, d.Seconds(), lab.VIP4, lab.VIP4, echoPort, echoPort, echoPort)
}

// gaps are what a client sees of a failure and of a planned hand-over.
type gaps struct{ failure, handover time.Duration }

// TestGaps measures how long a client waits when a director fails or hands over,
// beside a pair of keepalived's: "make bench" runs it. It holds nothing but that
// both pairs take over at all, because a time on a busy machine proves nothing.
func TestGaps(t *testing.T) {
	for _, interval := range intervals {
		t.Run(interval, func(t *testing.T) {
			ours, theirs := gapsOfLvsd(t, interval), gapsOfKeepalived(t, interval)
			t.Logf("adverts every %s: failure: lvsd %s, keepalived %s; hand-over: lvsd %s, keepalived %s", interval,
				ours.failure, theirs.failure, ours.handover, theirs.handover)
		})
	}
}

func gapsOfLvsd(t *testing.T, interval string) (g gaps) {
	t.Run("lvsd", func(t *testing.T) {
		l := newPairLab(t)
		e := election{interval: interval}
		one := startPlain(t, l.Host("lb1"), e.config(150))
		two := startPlain(t, l.Host("lb2"), e.config(100))
		one.becomes("active", true)
		two.becomes("backup", false)
		clock := startTicker(t, l.Host("client"), lab.VIP4)
		g.handover = gapOf(t, clock, interval, func() {
			labtest.NoError(t, control.Dial(one.socket()).Failover(t.Context(), ""))
		})
		two.becomes("active", true)
		one.stop()
		one.plain(e.config(50))
		one.start()
		one.becomes("backup", false)
		g.failure = gapOf(t, clock, interval, func() {
			labtest.NoError(t, two.host.Unplug("eth0", true))
			two.cmd.Kill()
		})
		one.becomes("active", true)
	})
	return g
}

func gapsOfKeepalived(t *testing.T, interval string) (g gaps) {
	t.Run("keepalived", func(t *testing.T) {
		l := newPairLab(t)
		one, _ := keepalived(t, l.Host("lb1"), pairOfKeepalived(150, interval))
		eventually(t, "lb1 is active", func() bool { return carries(t, l.Host("lb1"), lab.VIP4) })
		two, log := keepalived(t, l.Host("lb2"), pairOfKeepalived(100, interval))
		eventually(t, "lb2 is a backup", func() bool { return log.count("Entering BACKUP STATE") > 0 })
		clock := startTicker(t, l.Host("client"), lab.VIP4)
		g.handover = gapOf(t, clock, interval, func() { labtest.NoError(t, one.Signal(syscall.SIGTERM)) })
		_, log = keepalived(t, l.Host("lb1"), pairOfKeepalived(50, interval))
		eventually(t, "lb1 is a backup", func() bool { return log.count("Entering BACKUP STATE") > 0 })
		g.failure = gapOf(t, clock, interval, func() {
			labtest.NoError(t, l.Host("lb2").Unplug("eth0", true))
			two.Kill()
		})
		if !carries(t, l.Host("lb1"), lab.VIP4) {
			t.Error("lb1 has not taken over")
		}
	})
	return g
}

// gapOf is the longest pause between answers while something happens. Nobody
// looks meanwhile: on one processor that would be a pause of its own.
func gapOf(t *testing.T, clock *ticker, interval string, happen func()) time.Duration {
	t.Helper()
	advert, err := time.ParseDuration(interval)
	labtest.NoError(t, err)
	clock.flows(t)
	clock.reset()
	happen()
	time.Sleep(4*advert + 500*time.Millisecond)
	clock.flows(t)
	return clock.gap().Round(time.Millisecond)
}
