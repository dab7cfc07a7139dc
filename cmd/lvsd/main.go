// Command lvsd is a Linux Virtual Server director and its real servers' helper.
package main

import (
	"context"
	"os"

	"github.com/lvsd/lvsd/pkg/cli"
)

// version is set by the linker.
var version = "devel"

func main() {
	os.Exit(cli.Run(context.Background(), cli.Env{
		Args:    os.Args[1:],
		In:      os.Stdin,
		Out:     os.Stdout,
		Err:     os.Stderr,
		Getenv:  os.Getenv,
		Version: version,
	}))
}
