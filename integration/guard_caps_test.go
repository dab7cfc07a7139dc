package integration

import (
	"context"
	"os"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// The capabilities that the documentation names are enough to load the guard, and
// to find it as it should be after that.
func TestGuardCapabilities(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	d := newGuarded(t, l.Host("lb1"), guarded()+webConfig(1))
	for _, verb := range []string{"apply", "plan"} {
		c := d.host.Command(context.Background(), "setpriv",
			"--bounding-set", "-all,+net_admin,+net_raw,+bpf,+perfmon,+sys_admin", os.Args[0], verb, "-c", d.config())
		c.Env = append(os.Environ(), asCommand+"=1")
		log := &logBuffer{}
		c.Stdout, c.Stderr = log, log
		labtest.NoError(t, c.Start())
		if err := c.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", verb, err, log)
		}
	}
	d.attached("eth0", true)
}
