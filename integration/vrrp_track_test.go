package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// lvsd as a plain failover of a VIP for a server on the same host, without any
// virtual service: the VIP leaves with the process, and with a low number.
func TestTracking(t *testing.T) {
	l := labtest.New(t, lab.Topology{Directors: 2, RealServers: 1})
	dir := t.TempDir()
	server, number := filepath.Join(dir, "webserver"), filepath.Join(dir, "number")
	labtest.NoError(t, os.Symlink("/bin/sleep", server))
	labtest.NoError(t, os.WriteFile(number, []byte("0"), 0o600))
	config := func(priority int, track string) string {
		return fmt.Sprintf("[director]\n\n[vrrp.front]\ninterface = \"eth0\"\nid = 1\nvips = \"%s/32\"\npriority = %d\ninterval = \"100ms\"\n%s",
			lab.VIP4, priority, track)
	}
	run := func() *lab.Cmd {
		c := l.Host("lb1").Command(t.Context(), server, "1000")
		labtest.NoError(t, c.Start())
		return c
	}
	process := run()
	one := startPlain(t, l.Host("lb1"), config(150, fmt.Sprintf(`[vrrp.front.track]
server = { process = "webserver", interval = "200ms", fall = 2 }
number = { file = %q, interval = "200ms" }
`, number)))
	two := startPlain(t, l.Host("lb2"), config(100, ""))
	one.becomes("active", true)

	process.Kill()
	one.becomes("fault", false)
	two.becomes("active", true)
	run()
	one.becomes("active", true)
	two.becomes("backup", false)

	labtest.NoError(t, os.WriteFile(number, []byte("-100"), 0o600))
	two.becomes("active", true)
	one.becomes("backup", false)
	labtest.NoError(t, os.WriteFile(number, []byte("0"), 0o600))
	one.becomes("active", true)
}
