//go:build !bench

package integration

// How often things happen in a row; with the tag "bench" they do more often.
const (
	failovers = 8
	kills     = 12
	restarts  = 6
	reloads   = 12
)
