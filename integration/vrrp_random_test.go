package integration

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// failovers is how many things go wrong in a row.
const failovers = 20

// Whatever goes wrong, in whatever order, one director serves after it, and
// nothing is left behind.
func TestRandomFailovers(t *testing.T) {
	l := newPairLab(t)
	e := election{interval: "100ms", extra: "preempt = false\n"}
	pair := []*director{startPlain(t, l.Host("lb1"), e.config(150)), startPlain(t, l.Host("lb2"), e.config(100))}
	pair[0].becomes("active", true)
	pair[1].becomes("backup", false)
	clock := startTicker(t, l.Host("client"), lab.VIP4)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range failovers {
		d, other := pair[i%2], pair[1-i%2]
		makeActive(t, d, other)
		clock.flows(t)
		clock.reset()
		what := []string{"kill", "cut", "stop", "hand over"}[random.IntN(4)]
		switch what {
		case "kill":
			d.cmd.Kill()
		case "cut":
			labtest.NoError(t, d.host.Unplug("eth0", true))
		case "stop":
			d.stop()
		case "hand over":
			d.run("failover")
		}
		other.becomes("active", true)
		clock.flows(t)
		if gap := clock.gap(); gap > time.Second {
			t.Errorf("%d: %s of %s: nobody answered for %s", i, what, d.host.Name, gap)
		}
		switch what {
		case "kill", "stop":
			d.start()
		case "cut":
			labtest.NoError(t, d.host.Unplug("eth0", false))
		}
		eventually(t, fmt.Sprintf("%d: %s: one has the VIP", i, what), func() bool {
			return carries(t, d.host, lab.VIP4) != carries(t, other.host, lab.VIP4)
		})
	}
	for _, d := range pair {
		d.stop()
		if out := labtest.Run(t, d.host, "ip", "-o", "-4", "address", "show", "dev", "eth0"); strings.Count(out, "inet ") != 1 {
			t.Errorf("%s is left with %s", d.host.Name, out)
		}
	}
}

// makeActive has the other director hand over to this one, if that is not active
// already.
func makeActive(t *testing.T, d, other *director) {
	t.Helper()
	eventually(t, d.host.Name+" becomes active", func() bool {
		if d.instance("front").State == "active" {
			return true
		}
		if other.instance("front").State == "active" {
			other.run("failover")
			time.Sleep(300 * time.Millisecond)
		}
		return false
	})
	d.becomes("active", true)
}
