//go:build !bench

package integration

// How often things happen in a row; with the tag "bench" they do more often.
const (
	failovers = 12
	kills     = 16
	restarts  = 8
	reloads   = 20
)
