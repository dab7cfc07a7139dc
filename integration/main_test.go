// Package integration tests the director whole: a real process with a real
// file, a real kernel's IPVS and firewall, and real packets between namespaces.
package integration

import (
	"context"
	"os"
	"testing"

	"github.com/lvsd/lvsd/hack/lab/flood"
	"github.com/lvsd/lvsd/pkg/cli"
)

// asCommand makes this test binary be lvsd, so that the tests run exactly the
// code beside them.
const asCommand = "LVSD_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if flood.Ordered() {
		os.Exit(flood.Main())
	}
	if os.Getenv(asCommand) == "" {
		os.Exit(m.Run())
	}
	os.Exit(cli.Run(context.Background(), cli.Env{
		Args:    os.Args[1:],
		Out:     os.Stdout,
		Err:     os.Stderr,
		Getenv:  os.Getenv,
		Version: "test",
	}))
}
