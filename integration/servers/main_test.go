// Package servers tests every kind of check that has a protocol of its own
// against the server that people run: nginx, an SMTP server, dnsmasq, Redis,
// MariaDB and PostgreSQL, as Debian packages them. Each is up, answers wrongly,
// answers one byte a second, hangs and is stopped. The servers are processes of
// the test each at an address of the loopback network of its own, as an
// unprivileged user, with their files in a directory that goes with the test; a
// server that is not installed is a failure that names its package.
package servers

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait more than they work, so as many may run as there are.
	if err := flag.Set("test.parallel", "64"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
