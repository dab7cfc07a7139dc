//go:build !bench

package integration

import "time"

// randomAllowance is what a machine may add that is busy with other things. An ARP
// request that it loses is sent again after a second.
const randomAllowance = 1200 * time.Millisecond

// How often things happen in a row; with the tag "bench" they do more often.
const (
	failovers = 8
	kills     = 12
	restarts  = 6
	reloads   = 12
)
