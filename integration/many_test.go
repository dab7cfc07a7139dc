//go:build bench

package integration

import "time"

// randomAllowance is what a quiet machine may add.
const randomAllowance = 300 * time.Millisecond

// How often things happen in a row.
const (
	failovers = 100
	kills     = 50
	restarts  = 20
	reloads   = 50
)
