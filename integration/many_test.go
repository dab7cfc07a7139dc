//go:build bench

package integration

// How often things happen in a row.
const (
	failovers = 100
	kills     = 50
	restarts  = 20
	reloads   = 50
)
