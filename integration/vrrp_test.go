package integration

import (
	"net/netip"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// Two directors elect one, and whatever ends its service, the other one serves.
func TestPair(t *testing.T) {
	l := newPairLab(t)
	e := election{interval: "100ms"}
	one := startPlain(t, l.Host("lb1"), e.config(150))
	two := startPlain(t, l.Host("lb2"), e.config(100))
	one.becomes("active", true)
	two.becomes("backup", false)
	clock := startTicker(t, l.Host("client"), lab.VIP4)
	clock.flows(t)

	vip := netip.PrefixFrom(lab.VIP4, 32)
	t.Run("a VIP that another program removes is put back", func(t *testing.T) {
		start := time.Now()
		labtest.NoError(t, one.host.DelAddr("eth0", vip))
		one.becomes("active", true)
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("one that appears on the standby is removed", func(t *testing.T) {
		labtest.NoError(t, two.host.AddAddr("eth0", netip.PrefixFrom(lab.VIP4, 24)))
		eventually(t, "the VIP is gone", func() bool { return !carries(t, two.host, lab.VIP4) })
		clock.flows(t)
	})
	t.Run("a hand-over by hand, that is not taken back", func(t *testing.T) {
		clock.reset()
		one.run("failover")
		two.becomes("active", true)
		one.becomes("backup", false)
		clock.flows(t)
		clock.losesOne(t)
		time.Sleep(time.Second)
		two.becomes("active", true)
	})
	t.Run("a crash", func(t *testing.T) {
		clock.reset()
		two.cmd.Kill()
		one.becomes("active", true)
		clock.flows(t)
		t.Logf("longest gap %s", clock.gap())
		two.start()
		two.becomes("backup", false)
	})
	t.Run("a cut cable", func(t *testing.T) {
		clock.reset()
		labtest.NoError(t, one.host.Unplug("eth0", true))
		two.becomes("active", true)
		one.becomes("fault", false)
		clock.flows(t)
		t.Logf("longest gap %s", clock.gap())
		labtest.NoError(t, one.host.Unplug("eth0", false))
		one.becomes("active", true)
		two.becomes("backup", false)
		clock.flows(t)
	})
	t.Run("a graceful stop", func(t *testing.T) {
		clock.reset()
		one.stop()
		two.becomes("active", true)
		if carries(t, one.host, lab.VIP4) {
			t.Error("the VIP is left behind")
		}
		clock.flows(t)
		clock.losesOne(t)
	})
	t.Run("the last one stops", func(t *testing.T) {
		two.stop()
		if carries(t, two.host, lab.VIP4) {
			t.Error("the VIP is left behind")
		}
	})
}

// The role comes from elsewhere.
func TestExternalRole(t *testing.T) {
	l := newPairLab(t)
	d := startPlain(t, l.Host("lb1"), `[director]

[vrrp.front]
interface = "eth0"
vips = ["10.0.1.200/32"]
role = "external"
`)
	d.becomes("undecided", false)
	d.run("role", "active")
	d.becomes("active", true)
	d.run("role", "standby", "--instance", "front")
	d.becomes("standby", false)
	d.run("role", "active")
	d.run("role", "fault")
	d.becomes("fault", false)
}
